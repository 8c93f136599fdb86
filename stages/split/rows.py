"""Rows in and out: decisions need no replies of the teacher, which are most of a row."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar, cast

from promptstill.answers.spec import AnswerSpec
from promptstill.core.files import iter_rows
from promptstill.core.paths import out
from promptstill.rows.row import DedupedRow, PlacedRow, SplitRow

# Read again from the file when the row is written.
HEAVY = frozenset({"samples", "teacher"})
R = TypeVar("R", bound=DedupedRow)


def light_rows(task: str) -> list[DedupedRow]:
    """The rows that dedupe kept, without the fields that no decision reads. All rows share the names of their
    fields, which would otherwise take as much memory as the values."""
    return [
        cast(DedupedRow, {sys.intern(name): value for name, value in row.items() if name not in HEAVY})
        for row in iter_rows(out("dedupe", task), DedupedRow, "dedupe")
    ]


def whole_rows(task: str, rows: Sequence[R]) -> Iterator[R]:
    """Light rows with all their fields again, one at a time, in the order of the file."""
    by_id = {row["id"]: row for row in rows}
    for whole in iter_rows(out("dedupe", task), DedupedRow, "dedupe"):
        light: Mapping[str, Any] | None = by_id.get(whole["id"])
        if light is not None:
            yield cast(R, {**whole, **light})


def as_chat(row: PlacedRow, spec: AnswerSpec) -> SplitRow:
    """The row with `messages`, without the teacher's prompt, as Hugging Face datasets, TRL and OpenAI
    fine-tuning read it."""
    return {
        "messages": [
            {"role": "user", "content": row["input"]},
            {"role": "assistant", "content": spec.text(row["answer"])},
        ],
        **row,
    }
