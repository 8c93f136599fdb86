"""train: a LoRA student on (input, answer) with the prompt left out; adapter, card and curve."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

from stages.shared.answers import AnswerSpec
from stages.shared.edge import run_stage
from stages.shared.files import read_rows, replacing, write_csv, write_json
from stages.shared.paths import metrics_file, model_dir, out, plot_file
from stages.shared.report import counted, say
from stages.train.card import model_card, provenance
from stages.train.params import TrainParams
from stages.train.refuse import refuse_unseen


def main(task: str) -> None:
    """Write `models/<task>/`, `metrics/<task>/train.json` and `metrics/<task>/train_curve.csv`."""
    params = TrainParams.load(task)
    spec = AnswerSpec.load(task)
    rows = {name: read_rows(out("split", task, name), "split") for name in ("train", "validation")}
    made = provenance(task, rows["train"][0]["teacher"], params)
    unseen = [*read_rows(out("ingest", task, "golden")), *read_rows(out("split", task, "quarantine"))]
    for name, part in rows.items():
        refuse_unseen(part, unseen, out("split", task, name))

    import torch
    from peft import LoraConfig, get_peft_model

    from stages.shared.models import model_hash, resolve
    from stages.shared.student import load_base, load_tokenizer
    from stages.train.examples import common_values, examples_of
    from stages.train.fused import fuse
    from stages.train.layers import LINEAR, LayeredModel
    from stages.train.trainer import train

    tokenizer = load_tokenizer(params.base)
    common = common_values(rows["train"], params)
    examples = {name: examples_of(part, spec, tokenizer, params, common) for name, part in rows.items()}
    base = load_base(params.base)
    layered = LayeredModel(base, params.adapted_layers)
    lora = LoraConfig(
        r=params.rank,
        lora_alpha=params.alpha,
        lora_dropout=params.dropout,
        target_modules=LINEAR,
        layers_to_transform=list(range(layered.cut, len(layered.layers))),
        task_type="CAUSAL_LM",
    )
    # Seeded here: whatever came before, such as the conversion of the base on a fresh machine, draws random
    # numbers too.
    torch.manual_seed(params.seed)
    student: Any = get_peft_model(base, lora)
    fuse(student)
    trained = train(
        student, layered, examples["train"], examples["validation"], params, tokenizer.pad_token_id
    )
    trainable = sum(value.numel() for value in trained.state.values())

    facts = made | {
        "base_hash": model_hash(resolve(params.base)),
        "trainable": f"{trainable:,}",
        "train_rows": len(rows["train"]),
        "validation_rows": len(rows["validation"]),
        "answer_hash": spec.hash,
        "epoch": trained.best.epoch,
        "validation_accuracy": trained.best.validation_accuracy,
        "validation_loss": trained.best.validation_loss,
        "labels": counted(dict(sorted(Counter(row["label"] for row in rows["train"]).items()))),
    }
    save(student, task, params, facts)
    columns = ("epoch", "train_loss", "validation_loss", "validation_accuracy")
    write_csv(
        plot_file(task, "train_curve"),
        columns,
        [[getattr(point, c) for c in columns] for point in trained.curve],
    )
    metrics = {
        "rows": {name: len(part) for name, part in rows.items()},
        "tokens_per_epoch": sum(len(one.ids) for one in examples["train"]),
        "trainable_parameters": trainable,
        "best_epoch": trained.best.epoch,
        "train_loss": trained.best.train_loss,
        "validation_loss": trained.best.validation_loss,
        "validation_accuracy": trained.best.validation_accuracy,
        "dataset_sha256": facts["train_hash"],
    }
    write_json(metrics_file(task, "train"), metrics)
    say(
        "train",
        task,
        [
            f"{len(rows['train'])} rows, {metrics['tokens_per_epoch']} tokens an epoch",
            f"best epoch {trained.best.epoch} of {params.epochs}: validation accuracy "
            f"{trained.best.validation_accuracy}",
            f"adapter of {trainable:,} parameters in {model_dir(task)}",
        ],
    )


def save(student: Any, task: str, params: TrainParams, facts: dict[str, Any]) -> None:  # noqa: ANN401
    """Write the folder of the adapter: the same bytes for the same training, whatever machine-local path the
    base had."""
    with replacing(model_dir(task)) as folder:
        student.save_pretrained(folder, safe_serialization=True)
        config_file = Path(folder) / "adapter_config.json"
        config = json.loads(config_file.read_text(encoding="utf-8")) | {
            "base_model_name_or_path": params.base
        }
        config["target_modules"] = sorted(config["target_modules"])
        config_file.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        (Path(folder) / "README.md").write_text(model_card(facts), encoding="utf-8")
        use = (
            "base",
            "base_hash",
            "max_input_tokens",
            "max_answer_tokens",
            "answer_hash",
            "prompt_hash",
            "train_hash",
        )
        write_json(Path(folder) / "student.json", {"task": task, **{name: facts[name] for name in use}})


if __name__ == "__main__":
    run_stage(main, "Train the LoRA student of a task.")
