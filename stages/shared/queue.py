"""The review queue: what a person should look at, with what a decision needs."""

from __future__ import annotations

from stages.shared.files import Row
from stages.shared.text import input_hash

QUEUED_FIELDS = ("id", "reasons", "agreement", "confidence", "answer", "input", "source", "slices")


def queued(row: Row) -> Row:
    """An entry of the queue: the row, the teacher's replies, and the `input_hash` that a review is keyed
    by."""
    return {name: row[name] for name in QUEUED_FIELDS} | {
        "input_hash": input_hash(row["input"]),
        "replies": [sample["response"] for sample in row["samples"]],
    }


def certainty(row: Row) -> tuple[float, float, str]:
    """Sort key: the least certain row first."""
    return row["agreement"], row["confidence"] or 0.0, row["id"]
