"""A small build that report reads, written by hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from promptstill.answers.spec import AnswerSpec
from promptstill.core.files import write_csv, write_json, write_rows
from promptstill.core.paths import expectation_file, model_dir, out, plot_file, report_dir
from stages.eval.cascade import CASCADE_COLUMNS
from stages.eval.contestants import CONTESTANTS
from stages.eval.scores import LABEL_COLUMNS, SLICE_COLUMNS
from stages.eval.verdict import verdict
from stages.report.__main__ import main
from stages.report.build import metrics_path
from tests.stages.report_confidence import calibration, cascade, curve

TASK = "tickets"
FILES = ("model_card.md", "dataset_card.md", "report.html")
ATTACK = "<script>alert(1)</script>"
# The row of each part that the certificate names.
NEAREST = {"train": "t1", "validation": "v1", "test": "surer", "golden": "unsure"}


def prediction(
    name: str, set_name: str, text: str, truth: str, student: str | None, confidence: float
) -> dict[str, Any]:
    answers = {
        who: json.dumps(None if answer is None else {"topic": answer, "urgent": None})
        for who, answer in {"answer": truth, "student": student, "teacher": truth}.items()
    }
    return {
        "set": set_name,
        "id": name,
        "input": text,
        "slices": ["short"],
        "outcome": "right" if student == truth else "own",
        "base": "null",
        "prompted": "null",
        "embeddings": answers["answer"],
        "ngrams": answers["answer"],
        "majority": answers["answer"],
        "student_confidence": confidence,
        "student_confidences": {"topic": confidence},
        "student_cut_off": student is None,
        **answers,
    }


def edited(rows: int, right: int, **held_out: Any) -> dict[str, Any]:
    """The student's answers to the rows that a person corrected."""
    none = {"n": 0, "accuracy": None, "accuracy_low": None, "accuracy_high": None}
    return {"n": rows, "right": right, "wrong": [], "held_out": none | held_out}


def train_row(name: str, text: str, topic: str) -> dict[str, Any]:
    return {
        "id": name,
        "input": text,
        "source": "mail",
        "timestamp": "2026-03-01T00:00:00Z",
        "samples": [{}, {}],
        "answer": {"topic": topic, "urgent": None},
    }


def scored(accuracy: float) -> dict[str, Any]:
    interval = {"accuracy": accuracy, "accuracy_low": accuracy / 2, "accuracy_high": (1 + accuracy) / 2}
    urgency = {name.replace("accuracy", "urgency"): value for name, value in interval.items()}
    return {**interval, **urgency, "macro_f1": accuracy, "valid": 1.0, "n": 3, "components": 2}


def lead(difference: float) -> dict[str, Any]:
    low, high = difference - 0.125, difference + 0.125
    return {"difference": difference, "low": low, "high": high, "verdict": verdict(low, high)}


def by_outcome(**counts: int) -> dict[str, int]:
    return {"n": sum(counts.values()), **counts}


def outcomes(**counts: int) -> dict[str, Any]:
    """Where the errors of a set come from. All but the label's are those of the whole set."""
    whole = by_outcome(**counts)
    return {
        "all": whole,
        "by_metric": {"accuracy": by_outcome(right=whole["n"]), "urgency": whole},
        "by_label": {"bill": whole, ATTACK: by_outcome(own=2)},
        "by_slice": {"short": whole},
        "by_length": {"2 to 40 characters": whole},
    }


def compared(accuracy: float, truth_by_person: int, **counts: int) -> dict[str, Any]:
    """A set's scores. The student is worse than `ngrams` and better than `base`."""
    others = [who for who in CONTESTANTS if who != "student"]
    leads = {"base": lead(0.5), "ngrams": lead(-0.25)}
    return {
        **{who: scored(accuracy) for who in CONTESTANTS},
        "better_baseline": "ngrams",
        "student_minus": {
            who: {"accuracy": leads.get(who, lead(0.0)), "urgency": lead(0.0)} for who in others
        },
        "student_teacher_agreement": 0.5,
        "outcomes": outcomes(**counts),
        "truth_by_person": truth_by_person,
    }


def counts(
    rows: int, kept: int, reasons: dict[str, Any], review: dict[str, Any] | None = None
) -> dict[str, Any]:
    waiting = sum((review or {}).values())
    more = {} if review is None else {"review_reasons": review}
    return {
        "input": rows,
        "kept": kept,
        "rejected": sum(reasons.values()),
        "review": waiting,
        "reasons": reasons,
        **more,
    }


def leaks(keys: int) -> dict[str, Any]:
    names = ("train", "validation", "test", "golden")
    pairs = [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]]
    return {
        "method": "all pairs compared",
        "encoder": "an-encoder",
        "thresholds": {
            "link": {"meaning": 0.7, "text": 0.3},
            "quarantine": {"meaning": 0.7, "text_alone": 0.5},
        },
        "pairs": {
            f"{a}/{b}": {
                "shared_keys": keys,
                "near_pairs": 0,
                "nearest_meaning": {"similarity": 0.5, a: NEAREST[a], b: NEAREST[b]},
                "nearest_text": {"similarity": 0.25, a: NEAREST[a], b: NEAREST[b]},
                "nearest_contained": {"similarity": 0.375, a: NEAREST[a], b: NEAREST[b]},
            }
            for a, b in pairs
        },
    }


def write_build() -> None:
    """A build of a task in the current folder: ten rows of traffic, of which six are in the dataset."""
    Path("params.yaml").write_text(f"tasks: [{TASK}]\n")
    topics = {"topic": {"type": "string"}, "urgent": {"type": ["string", "null"]}}
    write_json(expectation_file(TASK, "answer.schema.json"), {"type": "object", "properties": topics})
    expectation_file(TASK, "normalise.yaml").write_text(
        "format: json\nlabel: topic\nscored: {urgent: urgency}\n"
    )
    answer_hash = AnswerSpec.load(TASK).hash
    hashes = {name: name[0] * 64 for name in ("train", "validation", "test", "golden")}
    metrics = {
        "ingest": counts(10, 9, {"exact_repeat": 1}) | {"golden": 3, "redacted_values": {"email": 4}},
        "generate": counts(9, 9, {})
        | {"cost_usd": 0.14, "requests": 24, "model": "a-teacher", "prompt_hash": "p" * 64},
        "validate": counts(9, 7, {"not_json": 1}, {"samples_disagree": 1})
        | {"agreement": 0.95, "edited": 2, "answer_spec_hash": answer_hash},
        "dedupe": counts(7, 7, {}),
        "split": counts(7, 6, {"near_golden": 1})
        | {"train": 3, "validation": 1, "test": 2}
        | {"labels": {"train": {"bill": 2, "post": 1}, "validation": {"bill": 1}, "test": {"post": 2}}},
        "train": {
            "rows": {"train": 3, "validation": 1},
            "trainable_parameters": 1234567,
            "best_epoch": 2,
            "validation_loss": 0.25,
            "validation_accuracy": 0.75,
            "dataset_sha256": hashes["train"],
        },
        "eval": {
            "golden": compared(0.75, 3, right=1, own=1, inherited=1),
            "test": compared(0.5, 1, right=1, own=1, corrected=1),
        }
        | {"calibration": {name: calibration() for name in ("golden", "test")}, "cascade": cascade()}
        | {"confidence_level": 0.95, "prompt_tokens_saved_per_request": 321, "edited": edited(0, 0)},
        "leaks": leaks(0) | {"files_sha256": hashes},
        "leaks_random": leaks(7),
    }
    for name, content in metrics.items():
        write_json(metrics_path(TASK, name), content)
    columns = ("epoch", "train_loss", "validation_loss", "validation_accuracy")
    write_csv(plot_file(TASK, "train_curve"), columns, [(1, 1.5, 0.5, 0.5), (2, 0.5, 0.25, 0.75)])
    write_csv(plot_file(TASK, "cascade"), CASCADE_COLUMNS, curve())
    for name in ("golden", "test"):
        bars = [("all", 3, "all (3)", who, 0.5, 0.25, 0.75) for who in CONTESTANTS]
        write_csv(plot_file(TASK, f"slices_{name}"), SLICE_COLUMNS, bars)
        bill = ("bill", 1.0, 0.25, 1.0, 0.5, 0.125, 0.875, 0.6667, 3)
        write_csv(plot_file(TASK, f"labels_{name}"), LABEL_COLUMNS, [bill])
        write_csv(
            plot_file(TASK, f"confusion_{name}"),
            ("actual", "predicted"),
            [("bill", "bill"), ("bill", "post")],
        )
    cases = [
        prediction("sure", "golden", "where is my invoice for may", "bill", "post", 0.9),
        prediction("right", "golden", "the parcel came", "post", "post", 0.99),
        prediction("unsure", "golden", f"{ATTACK} سلام", "bill", None, 0.2),
        prediction("surer", "test", "a parcel", "post", ATTACK, 0.95),
    ]
    write_rows(out("eval", TASK), cases)
    rows = [
        ("t1", "my parcel is late", "post"),
        ("t2", "where is my invoice for june", "bill"),
        ("t3", "hi", "bill"),
    ]
    write_rows(out("split", TASK, "train"), [train_row(*row) for row in rows])
    write_rows(out("split", TASK, "validation"), [train_row("v1", "left on the doorstep", "post")])
    student: dict[str, Any] = {
        "task": TASK,
        "kind": "causal",
        "pooling": None,
        "base": "a-base",
        "base_hash": "b" * 64,
        "layers": None,
        "weights": {},
        "max_input_tokens": 160,
        "max_answer_tokens": 40,
        "answer_hash": answer_hash,
        "prompt_hash": "p" * 64,
        "train_hash": hashes["train"],
        "on_hub": None,
        "files": {},
    }
    write_json(model_dir(TASK) / "student.json", student)
    adapter = {"r": 16, "lora_alpha": 32.0, "layers_to_transform": [1, 2, 3]}
    write_json(model_dir(TASK) / "adapter_config.json", adapter)


def change(path: Path, edit: Callable[[Any], None]) -> None:
    """Edit a JSON file in place."""
    content = json.loads(path.read_text())
    edit(content)
    write_json(path, content)


def written(name: str) -> str:
    """A file that the stage writes, made now."""
    main(TASK)
    return (report_dir(TASK) / name).read_text(encoding="utf-8")
