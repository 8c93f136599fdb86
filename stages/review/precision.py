"""How good the kept labels are: what people decided about a random choice of the kept rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from scipy.stats import binomtest

from promptstill.answers.consensus import decide
from promptstill.answers.schema.compare import same
from promptstill.answers.spec import AnswerSpec
from promptstill.reviews.decisions import Review
from promptstill.rows.identity import input_hash
from promptstill.rows.row import ValidatedRow

# Decided rows that a slice needs for a precision of its own.
FEWEST = 20
LEVEL = 0.95


@dataclass(frozen=True)
class Kept:
    """A row that teacher and filters keep, with the hash of its text. `right` says whether a person agreed
    with the teacher; None if nobody has decided."""

    id: str
    digest: str
    slices: Sequence[str]
    right: bool | None


def kept_by_filters(row: ValidatedRow, review: Review | None, spec: AnswerSpec) -> Kept | None:
    """The row, or None if teacher and filters do not keep it. For a decided row, this is known only if its
    line says so: the filters of today judge the person's answer."""
    digest = input_hash(row["input"])
    if review is None:
        return Kept(row["id"], digest, row["slices"], None) if row["status"] == "kept" else None
    if review.status != "kept":
        return None
    answer = decide(row["samples"], spec)["answer"]
    right = review.decision != "reject" and answer is not None and same(answer, review.answer, spec)
    return Kept(row["id"], digest, row["slices"], right)


def in_random_order(rows: Iterable[Kept]) -> list[Kept]:
    """By the hash of the text, which is as good as chance and the same in every build."""
    return sorted(rows, key=lambda row: (row.digest, row.id))


def precision(ordered: Sequence[Kept]) -> dict[str, Any]:
    """The share of right answers among the rows of the random order up to the first one that nobody has
    decided, with Wilson's interval, and the same for slices with enough of these rows.

    Rows behind that one are left out: those that were decided are there because they looked wrong.
    """
    undecided = next((place for place, row in enumerate(ordered) if row.right is None), len(ordered))
    decided = ordered[:undecided]
    slices = sorted({name for row in decided for name in row.slices})
    by_slice = {name: _of([row for row in decided if name in row.slices]) for name in slices}
    return {
        **_of(decided),
        "by_slice": {name: figures for name, figures in by_slice.items() if figures["decided"] >= FEWEST},
    }


def _of(decided: Sequence[Kept]) -> dict[str, Any]:
    right, count = sum(bool(row.right) for row in decided), len(decided)
    if not count:
        return {"decided": 0}
    interval = binomtest(right, count).proportion_ci(LEVEL, method="wilson")
    return {
        "decided": count,
        "precision": round(right / count, 4),
        "precision_low": round(float(interval.low), 4),
        "precision_high": round(float(interval.high), 4),
    }
