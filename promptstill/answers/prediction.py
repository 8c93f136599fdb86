"""What every contestant answered about one case: the row of `data/eval/<task>/rows.jsonl`."""

from __future__ import annotations

from typing import Literal, TypedDict, get_args

# Student and teacher beside the truth. `right`: both are right. `corrected`: the student is right and the
# teacher is wrong. `own`: the student is wrong and the teacher is right. `inherited`: the student gives the
# teacher's wrong answer. `both_wrong`: both are wrong, with different answers or with none.
Outcome = Literal["right", "corrected", "own", "inherited", "both_wrong"]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)
ERRORS: tuple[Outcome, ...] = ("own", "inherited", "both_wrong")


class Prediction(TypedDict):
    """eval: what every contestant answered about one case. Answers are JSON texts, so that a table of
    predictions has one type per column; `null` is no answer. `outcome` compares all scored keys."""

    set: Literal["golden", "test"]
    id: str
    input: str
    slices: list[str]
    answer: str
    outcome: Outcome
    student: str
    base: str
    prompted: str
    teacher: str
    embeddings: str
    ngrams: str
    majority: str
    student_confidence: float
    student_confidences: dict[str, float]
    student_cut_off: bool
