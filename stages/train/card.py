"""The model card: what the adapter was made from and how to use it, as Markdown."""

from __future__ import annotations

from typing import Any

from stages.shared.files import Row, file_hash, read_json
from stages.shared.paths import metrics_file, out
from stages.train.params import TrainParams
from stages.train.refuse import refuse_uncertified

TEMPLATE = """\
---
base_model: {base}
library_name: peft
tags: [lora, distillation]
---
# Student for {task}

A LoRA adapter that answers as the teacher {teacher} does, without the teacher's prompt. Made by promptstill.

| | |
|---|---|
| base | {base}, weights SHA-256 `{base_hash}` |
| adapter | rank {rank}, alpha {alpha}, upper {adapted_layers} layers, {trainable} trainable parameters |
| train rows | {train_rows}, SHA-256 `{train_hash}` |
| validation rows | {validation_rows}, SHA-256 `{validation_hash}` |
| test rows | SHA-256 `{test_hash}` |
| teacher's prompt | SHA-256 `{prompt_hash}` |
| answer parser (schema and normalisation) | SHA-256 `{answer_hash}` |
| best epoch | {epoch} of {epochs}: validation accuracy {validation_accuracy}, loss {validation_loss} |
| golden cases | SHA-256 `{golden_hash}` |

Leak certificate, over train, validation, test and golden: {shared_keys} shared keys, {near_pairs} near pairs.
Method: {method}. Encoder: {encoder}. Thresholds (meaning and text): {link} between rows,
{quarantine} to golden cases. The nearest rows stand in `metrics/{task}/leaks.json`, with their texts:

| | largest cosine | largest text similarity |
|---|---|---|
{nearest}

Labels in train: {labels}.

How good it is on the test split and the golden set stands in `metrics/{task}/eval.json`, which is
made after this card. It was trained on this task's traffic only; on other texts it answers too, and is
likely wrong.

Use it with `still predict {task} --input rows.jsonl --output answers.jsonl`, or load it with peft on the
base model: one user message, no system prompt, greedy decoding. Personal data in training inputs was
replaced by placeholders such as `[EMAIL_1]`; `still predict` does the same to what it is given.
"""


def model_card(facts: dict[str, Any]) -> str:
    """Fill the template; raises KeyError where a fact is missing, so that no card has a gap."""
    return TEMPLATE.format(**facts)


def provenance(task: str, teacher: Row, params: TrainParams) -> dict[str, Any]:
    """What the adapter comes from, as the card and `student.json` tell it.

    Raises UserError where the files are not those of the leak certificate."""
    files = {name: out("split", task, name) for name in ("train", "validation", "test")}
    files["golden"] = out("ingest", task, "golden")
    hashes = {name: file_hash(path) for name, path in files.items()}
    certificate = read_json(metrics_file(task, "leaks"))
    refuse_uncertified(hashes, certificate["files_sha256"], files)
    pairs = certificate["pairs"]
    return {
        **params.model_dump(),
        **{f"{name}_hash": found for name, found in hashes.items()},
        "task": task,
        "teacher": teacher["model"],
        "prompt_hash": teacher["prompt_hash"],
        "shared_keys": sum(found["shared_keys"] for found in pairs.values()),
        "near_pairs": sum(found["near_pairs"] for found in pairs.values()),
        "method": certificate["method"],
        "encoder": certificate["encoder"],
        **{name: _values(found) for name, found in certificate["thresholds"].items()},
        "nearest": "\n".join(_nearest(pair, found) for pair, found in pairs.items()),
    }


def _values(thresholds: Row) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in thresholds.items())


def _nearest(pair: str, found: Row) -> str:
    meaning, text = found["nearest_meaning"]["similarity"], found["nearest_text"]["similarity"]
    return f"| {pair} | {meaning:.4f} | {text:.4f} |"
