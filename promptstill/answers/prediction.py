"""What every contestant answered about one case: the row of `data/eval/<task>/rows.jsonl`."""

from __future__ import annotations

from typing import Literal, TypedDict


class Prediction(TypedDict):
    """eval: what every contestant answered about one case. Answers are JSON texts, so that a table of
    predictions has one type per column."""

    set: Literal["golden", "test"]
    id: str
    input: str
    slices: list[str]
    answer: str
    student: str
    base: str
    prompted: str
    teacher: str
    embeddings: str
    ngrams: str
    majority: str
    student_confidence: float
    student_token_confidence: float
    student_cut_off: bool
