"""The review queue: rows that a person should look at, with what a decision needs."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import NotRequired, Self, TypedDict, cast

from promptstill.core.files import compact_json
from promptstill.rows.identity import input_hash
from promptstill.rows.row import Answer, Nearest, ValidatedRow


class QueueEntry(TypedDict):
    """A row in the queue, with the teacher's replies and the `input_hash` and `id` that key a review.

    Entries about an answer conflict carry the row's `label`, the most similar row whose answer contradicts
    theirs as `conflict`, and as `group` an id that all entries have whose conflicts are connected.
    """

    id: str
    reasons: list[str]
    agreement: float
    valid_samples: int
    dissent: int
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
        "valid_samples": row["valid_samples"],
        "dissent": row["dissent"],
        "confidence": row["confidence"],
        "answer": row["answer"],
        "input": row["input"],
        "source": row["source"],
        "slices": row["slices"],
        "input_hash": input_hash(row["input"]),
        "replies": [sample["response"] for sample in row["samples"]],
    }


def certainty(row: ValidatedRow) -> tuple[float, int, float, str]:
    """Sort key: the least certain row first."""
    return row["agreement"], row["valid_samples"], row["confidence"] or 0.0, row["id"]


class QueueSpool:
    """Rows for the queue in the order of their arrival, and the queue in the order of their certainty.

    The entries are in a temporary file in `folder`; memory holds a sort key and a position per entry.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115
        self._places: list[tuple[tuple[float, int, float, str], int]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def add(self, row: ValidatedRow) -> None:
        """Put a row into the queue for its own reasons."""
        self._places.append((certainty(row), self._file.tell()))
        self._file.write(compact_json(queue_entry(row, row["reasons"])).encode() + b"\n")

    def ordered(self) -> Iterator[QueueEntry]:
        """The entries, the least certain row first."""
        for _, position in sorted(self._places):
            self._file.seek(position)
            yield cast(QueueEntry, json.loads(self._file.readline()))
