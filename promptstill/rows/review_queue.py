"""The review queue: rows that a person should look at, with what a decision needs."""

from __future__ import annotations

from typing import NotRequired, TypedDict

from promptstill.rows.identity import input_hash
from promptstill.rows.row import Answer, Nearest, ValidatedRow


class QueueEntry(TypedDict):
    """A row in the queue, with the teacher's replies and the `input_hash` that keys a review.

    Entries about a label conflict carry the row's `label`, the most similar row with another label as
    `conflict`, and as `group` an id that all entries have whose conflicts are connected.
    """

    id: str
    reasons: list[str]
    agreement: float
    confidence: float | None
    answer: Answer | None
    input: str
    source: str | None
    slices: list[str]
    input_hash: str
    replies: list[str]
    group: NotRequired[str]
    label: NotRequired[str]
    conflict: NotRequired[Nearest]


def queue_entry(row: ValidatedRow, reasons: list[str]) -> QueueEntry:
    """The entry of a row that is in the queue for `reasons`."""
    return {
        "id": row["id"],
        "reasons": reasons,
        "agreement": row["agreement"],
        "confidence": row["confidence"],
        "answer": row["answer"],
        "input": row["input"],
        "source": row["source"],
        "slices": row["slices"],
        "input_hash": input_hash(row["input"]),
        "replies": [sample["response"] for sample in row["samples"]],
    }


def certainty(row: ValidatedRow) -> tuple[float, float, str]:
    """Sort key: the least certain row first."""
    return row["agreement"], row["confidence"] or 0.0, row["id"]
