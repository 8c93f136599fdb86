"""What the student got wrong, each case beside the train row with the most similar text."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from promptstill.answers.classes import INVALID
from promptstill.answers.prediction import ERRORS, Outcome, Prediction
from promptstill.answers.spec import AnswerSpec
from promptstill.near.ngrams import nearest_texts
from promptstill.rows.row import Answer, SplitRow
from stages.report.passages import Shown, shown


@dataclass(frozen=True)
class Mistake:
    """A case with a wrong answer. Answers are texts; `overlap` is that of the case and its nearest train
    row, from 0 to 1."""

    id: str
    input: Shown
    slices: list[str]
    truth: str
    student: str
    teacher: str
    outcome: Outcome
    confidence: float
    cut_off: bool
    nearest_id: str
    nearest_input: Shown
    nearest_answer: str
    overlap: float


def wrong(predictions: Sequence[Prediction]) -> list[Prediction]:
    """The cases that the student got wrong, the most confident mistake first and replies that were cut off
    last, because their confidence is that of a beginning only."""
    cases = [case for case in predictions if case["outcome"] in ERRORS]
    return sorted(cases, key=lambda case: (case["student_cut_off"], -case["student_confidence"], case["id"]))


def mistakes(cases: Sequence[Prediction], train: Sequence[SplitRow], spec: AnswerSpec) -> list[Mistake]:
    """Each case with its nearest train row, in the order of `cases`."""
    if not cases:
        return []
    nearest = nearest_texts([case["input"] for case in cases], [row["input"] for row in train])
    return [
        _mistake(case, train[position], overlap, spec)
        for case, (position, overlap) in zip(cases, nearest, strict=True)
    ]


def _mistake(case: Prediction, row: SplitRow, overlap: float, spec: AnswerSpec) -> Mistake:
    answers: dict[str, Answer | None] = {
        "truth": json.loads(case["answer"]),
        "student": json.loads(case["student"]),
        "teacher": json.loads(case["teacher"]),
    }
    return Mistake(
        case["id"],
        shown(case["input"], answers, spec),
        case["slices"],
        _text(answers["truth"], spec),
        _text(answers["student"], spec),
        _text(answers["teacher"], spec),
        case["outcome"],
        case["student_confidence"],
        case["student_cut_off"],
        row["id"],
        shown(row["input"], {"answer": row["answer"]}, spec),
        _text(row["answer"], spec),
        overlap,
    )


def _text(answer: Answer | None, spec: AnswerSpec) -> str:
    return INVALID if answer is None else spec.text(answer)
