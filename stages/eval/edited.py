"""Rows whose answer a person corrected: does the student give the person's answer, wherever the row is?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from promptstill.answers.schema.compare import same
from promptstill.answers.spec import AnswerSpec
from promptstill.rows.row import Answer, SplitRow
from stages.eval.intervals import interval


def edited_metrics(
    answered: Iterable[tuple[SplitRow, Answer | None]], spec: AnswerSpec, level: float
) -> dict[str, Any]:
    """The edited ones of some rows, each given with the student's answer.

    `n` and `right` count all of them, and `wrong` has the ids of the others, in order. `held_out` is about
    those that the student did not learn from: `n`, `accuracy` and its interval, which are null for none. The
    teacher gave another answer to every edited row, so it has no figure here.
    """
    rows = [(row, same(answer, row["answer"], spec)) for row, answer in answered if row["edited"]]
    held_out = [(row, right) for row, right in rows if row["split"] != "train"]
    accuracy, low, high = _share(held_out, level)
    return {
        "n": len(rows),
        "right": sum(right for _, right in rows),
        "wrong": sorted(row["id"] for row, right in rows if not right),
        "held_out": {
            "n": len(held_out),
            "accuracy": accuracy,
            "accuracy_low": low,
            "accuracy_high": high,
        },
    }


def edited_line(metrics: dict[str, Any]) -> str:
    """What the stage prints about them."""
    held_out = metrics["held_out"]
    of_those = f"; {held_out['accuracy']:.3f} of the {held_out['n']} outside train" if held_out["n"] else ""
    return f"edited by people: the student gives {metrics['right']} of {metrics['n']} answers{of_those}"


def _share(
    rows: Sequence[tuple[SplitRow, bool]], level: float
) -> tuple[float | None, float | None, float | None]:
    if not rows:
        return None, None, None
    right = [value for _, value in rows]
    return round(sum(right) / len(rows), 4), *interval(right, [row["component"] for row, _ in rows], level)
