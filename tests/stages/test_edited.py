"""eval: the rows that people edited."""

from __future__ import annotations

from promptstill.answers.spec import AnswerSpec, Normalisation
from promptstill.rows.row import Answer, SplitRow
from stages.eval.edited import edited_line, edited_metrics
from stages.eval.intervals import wilson
from tests.project import TEXT_SCHEMA
from tests.rows import split_row

TEXT = AnswerSpec(TEXT_SCHEMA, Normalisation(format="text"))


def answered(
    i: int, split: str, truth: str, answer: str | None, edited: bool = True
) -> tuple[SplitRow, Answer | None]:
    return split_row(i, split=split, answer=truth, label=truth, edited=edited, component=f"c-{i}"), answer


def test_edited_rows_of_all_splits_are_regression_cases() -> None:
    rows = [
        answered(1, "train", "red", "red"),
        answered(2, "train", "red", "blue"),
        answered(3, "validation", "blue", "blue"),
        answered(4, "test", "blue", None),
        answered(5, "test", "blue", "red", edited=False),
    ]
    metrics = edited_metrics(rows, TEXT, 0.95)
    low, high = wilson(1, 2, 0.95)
    assert metrics == {
        "n": 4,
        "right": 2,
        "wrong": sorted([rows[1][0]["id"], rows[3][0]["id"]]),
        "held_out": {"n": 2, "accuracy": 0.5, "accuracy_low": low, "accuracy_high": high},
    }
    assert edited_line(metrics) == (
        "edited by people: the student gives 2 of 4 answers; 0.500 of the 2 outside train"
    )


def test_nothing_is_said_about_no_rows_outside_train() -> None:
    metrics = edited_metrics([answered(1, "train", "red", "red")], TEXT, 0.95)
    assert metrics["held_out"] == {"n": 0, "accuracy": None, "accuracy_low": None, "accuracy_high": None}
    assert edited_line(metrics) == "edited by people: the student gives 1 of 1 answers"
