"""Checks that every split must pass."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from promptstill.rows.identity import input_hash
from promptstill.rows.row import Input


class LeakError(Exception):
    """A defect of the split: what must be apart is not."""


def require_unseen(rows: Iterable[Input], unseen: Sequence[Input]) -> None:
    """Raise LeakError if a row has the id or the text of one that must stay unseen: a golden case or a
    quarantined row."""
    names = {row["id"]: row["id"] for row in unseen} | {input_hash(row["input"]): row["id"] for row in unseen}
    for row in rows:
        other = names.get(row["id"]) or names.get(input_hash(row["input"]))
        if other is not None:
            raise LeakError(f"row {row['id']!r} is {other!r} of the golden set or the quarantine")
