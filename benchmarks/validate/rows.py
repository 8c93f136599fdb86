"""A small project of one JSON task with many made-up rows, and their table."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from promptstill.core.files import write_rows

TASK = "support-tickets"
FILES = ("answer.schema.json", "normalise.yaml", "suite.json")
LABELS = ("order_status", "billing", "technical", "feedback")


def replies(number: int) -> list[str]:
    """Two replies: of a hundred rows, two disagree, one has a reply without an answer, one refuses."""
    usual = {
        "category": LABELS[number % 4],
        "confidence": 0.9 if number % 9 else 0.3,
        "escalation_reason": None,
    }
    first, second = json.dumps(usual), json.dumps(usual)
    if number % 100 < 2:
        second = json.dumps(usual | {"category": "other"})
    if number % 100 == 2:
        second = "Sure! The category would be billing."
    if number % 100 == 3:
        first = second = "I'm sorry, I cannot help with that."
    return [first, second]


def text(number: int) -> str:
    """An input of about 120 characters."""
    return f"Message {number}: " + "the parcel of last week has not arrived yet, please have a look. " * 2


def sampled(count: int) -> Iterator[dict[str, Any]]:
    """Rows as generate writes them."""
    for number in range(count):
        samples = enumerate(replies(number))
        yield {
            "id": f"row-{number:07}",
            "input": text(number),
            "source": ("email", "chat")[number % 2],
            "account": f"acct-{number // 3}",
            "thread": None,
            "document": None,
            "translation_group": None,
            "timestamp": "2026-03-01T09:12:27Z",
            "tags": [],
            "repeats": [],
            "slices": ["short"],
            "samples": [{"sample": i, "response": reply, "finish_reason": "stop"} for i, reply in samples],
            "teacher": {
                "model": "teacher",
                "endpoint": "made-up",
                "prompt_hash": "p" * 64,
                "schema_hash": "s" * 64,
                "sampling": {"temperature": None, "max_tokens": None},
                "request_keys": [f"{2 * number:064x}", f"{2 * number + 1:064x}"],
                "recorded_at": ["2026-11-21T00:00:00Z"] * 2,
            },
        }


def make_project(root: Path, count: int) -> None:
    """Write all that the stage reads, with the shipped suite."""
    shipped = Path(__file__).resolve().parents[2] / "expectations" / TASK
    (root / "expectations" / TASK).mkdir(parents=True)
    for name in FILES:
        shutil.copy(shipped / name, root / "expectations" / TASK / name)
    (root / "params.yaml").write_text(f"tasks: [{TASK}]\n", encoding="utf-8")
    (root / "data/reviews").mkdir(parents=True)
    (root / f"data/reviews/{TASK}.jsonl").touch()
    write_rows(root / f"data/generate/{TASK}/rows.jsonl", sampled(count))


def table(count: int) -> pd.DataFrame:
    """The columns of such rows, made at once; a parser is not what is measured."""
    numbers = np.arange(count)
    refused, invalid, differ = (numbers % 100 == 3), (numbers % 100 == 2), (numbers % 100 < 2)
    first = [replies(number)[0] for number in range(36 * 25)]
    confidence = np.where(numbers % 9 > 0, 0.9, 0.3)
    columns: dict[str, Any] = {
        "problem": pd.Series("not_json", index=numbers, dtype="str").where(refused),
        "label": pd.Series(np.array(LABELS, dtype=object)[numbers % 4], dtype="str").mask(refused),
        "input_chars": numbers % 4100,
        "answer_chars": np.where(refused, np.nan, 76.0),
        "reply": pd.Series([first[number % len(first)] for number in range(count)], dtype="str"),
        "agreement": np.where(refused, np.nan, np.where(differ, 0.5, 1.0)),
        "valid_samples": np.where(refused, 0, np.where(invalid, 1, 2)),
        "confidence": np.where(refused, np.nan, confidence),
        "source": pd.Series(np.array(["email", "chat"], dtype=object)[numbers % 2], dtype="str"),
    }
    return pd.DataFrame(columns)
