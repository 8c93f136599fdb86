"""Decisions as lines of `data/reviews/<task>.jsonl`: reading those that are new, and making a line."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from promptstill.answers.spec import AnswerSpec
from promptstill.console.errors import UserError
from promptstill.reviews.decisions import Review, checked
from promptstill.reviews.queue import QueueEntry
from stages.review.reasons import SECOND


@dataclass(frozen=True)
class Place:
    """How far a file of decisions was read: whole lines, their bytes and the hash of these. The file's size
    and time of change at that moment tell whether it is worth another look."""

    lines: int = 0
    end: int = 0
    before: str = hashlib.sha256().hexdigest()
    size: int = 0
    changed: int = 0

    def is_of(self, path: Path) -> bool:
        """Whether nothing has changed since."""
        if not path.exists():
            return self.size == 0
        stat = path.stat()
        return (stat.st_size, stat.st_mtime_ns) == (self.size, self.changed)


def read_from(path: Path, spec: AnswerSpec, place: Place) -> tuple[list[tuple[int, Review]], Place] | None:
    """The decisions behind a place, with the numbers of their lines, and the place behind them.

    A line without an end is still being written and waits. None if the file before the place has changed, as
    after a merge or a correction by hand. Raises UserError with the number of a bad line.
    """
    if not path.exists():
        return ([], Place()) if place.end == 0 else None
    with path.open("rb") as file:
        stat = os.fstat(file.fileno())
        content = file.read()
    known = hashlib.sha256(content[: place.end])
    if known.hexdigest() != place.before:
        return None
    end = content.rfind(b"\n") + 1
    decisions, number = list[tuple[int, Review]](), place.lines
    for line in content[place.end : end].splitlines():
        number += 1
        if line.strip():
            decisions.append((number, _read(line, spec, f"{path}:{number}")))
    known.update(content[place.end : end])
    return decisions, Place(number, end, known.hexdigest(), stat.st_size, stat.st_mtime_ns)


def _read(line: bytes, spec: AnswerSpec, where: str) -> Review:
    try:
        content = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{where}: not JSON ({error}); correct or remove the line") from None
    return checked(content, spec, where)


def line_of(review: Review) -> dict[str, Any]:
    """The line of a decision; what is empty is left out."""
    content = review.model_dump(mode="json")
    needed = {"input_hash", "decision", "reviewer", "at"}
    return {
        key: value for key, value in content.items() if key in needed or value not in (None, "", [], False)
    }


def status_of(entry: QueueEntry, history: Sequence[Review]) -> str | None:
    """What teacher and filters alone made of the row. A queue that was ranked after the first decision shows
    what became of the row with that, so the decision knows best; None if it does not say."""
    known = [review.status for review in history if review.status is not None]
    if known:
        return known[-1]
    return None if "decided_at" in entry or SECOND in entry["reasons"] else entry["status"]


def now() -> str:
    """The time in UTC, in ISO 8601 with milliseconds: decisions of one second stay apart."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
