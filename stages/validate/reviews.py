"""Human decisions: sticky, keyed by the hash of the input, and stronger than teacher and filters.

A line of `data/reviews/<task>.jsonl`, appended and never changed (the last line about an input counts):

    {"input_hash": ..., "decision": "accept" | "edit" | "reject", "answer": the right one (accept and edit),
     "teacher_answer": what the teacher said then, "reviewer": ..., "at": ISO 8601, "note": optional text}
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

from stages.shared.answers import AnswerSpec
from stages.shared.errors import UserError
from stages.shared.files import Row
from stages.shared.settings import Settings
from stages.shared.text import input_hash


class Review(Settings):
    """One decision of one person about one input."""

    input_hash: str
    decision: Literal["accept", "edit", "reject"]
    answer: Any = None
    teacher_answer: Any = None
    reviewer: str
    at: str
    note: str = ""


def check_reviews(numbered: Iterable[tuple[int, Row]], spec: AnswerSpec, path: Path) -> dict[str, Review]:
    """The last decision about each input, by hash. Raises UserError naming the line of a bad one."""
    reviews: dict[str, Review] = {}
    for number, line in numbered:
        review = Review.check(line, f"{path}:{number}")
        if review.decision != "reject":
            parsed = spec.of_value(review.answer) if review.answer is not None else None
            if parsed is None or parsed.answer is None:
                detail = "missing" if parsed is None else f"{parsed.problem} ({parsed.detail})"
                raise UserError(
                    f"{path}:{number}: answer: {detail}; append a corrected line and remove this one"
                )
            review = review.model_copy(update={"answer": parsed.answer})
        reviews[review.input_hash] = review
    return reviews


def apply_review(row: Row, reviews: dict[str, Review], spec: AnswerSpec) -> Row:
    """The row with `review` (the decision or None), `edited`, `contradicted`, and the person's answer where
    there is one.

    `contradicted` is true when the teacher of today says something else than the person decided and than the
    teacher said when the person looked: new evidence that deserves a second look. The person's answer stands
    all the same.
    """
    review = reviews.get(input_hash(row["input"]))
    if review is None:
        return row | {"review": None, "edited": False, "contradicted": False}
    if review.decision == "reject":
        return row | {"review": "reject", "edited": False, "contradicted": False}
    said = row["answer"]
    known = [review.answer, *([review.teacher_answer] if review.teacher_answer is not None else [])]
    contradicted = said is not None and spec.essence(said) not in {spec.essence(answer) for answer in known}
    return row | {
        "answer": review.answer,
        "label": spec.label(review.answer),
        "confidence": spec.confidence(review.answer),
        "review": review.decision,
        "edited": said != review.answer,
        "contradicted": contradicted,
    }
