"""Human decisions. They are keyed by the hash of the input, so they survive every rebuild, and they override
teacher and filters.

`data/reviews/<task>.jsonl` is append-only; of several lines about an input, the last one counts:

    {"input_hash": ..., "decision": "accept" | "edit" | "reject", "answer": the right one (accept and edit),
     "teacher_answer": the teacher's answer at that time, "reviewer": ..., "at": ISO 8601, "note": optional}
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal, TypedDict

from promptstill.answers.compare import same
from promptstill.answers.spec import AnswerSpec
from promptstill.console.errors import UserError
from promptstill.core.files import JsonObject
from promptstill.core.settings import Settings
from promptstill.rows.identity import input_hash
from promptstill.rows.row import Answer


class Review(Settings):
    """One decision of one person about one input."""

    input_hash: str
    decision: Literal["accept", "edit", "reject"]
    answer: Any = None
    teacher_answer: Any = None
    reviewer: str
    at: str
    note: str = ""


def check_reviews(
    numbered: Iterable[tuple[int, JsonObject]], spec: AnswerSpec, path: Path
) -> dict[str, Review]:
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


class Reviewed(TypedDict):
    """The outcome of a review for one row; None where the person changed nothing."""

    review: Literal["accept", "edit", "reject"] | None
    answer: Answer | None
    edited: bool
    contradicted: bool


def review_of(text: str, answer: Answer | None, reviews: dict[str, Review], spec: AnswerSpec) -> Reviewed:
    """What a person decided about an input to which the teacher answers `answer` today.

    The answer of the result is the person's, if there is one, or else the teacher's. `contradicted` is true
    if today's teacher says something else than the person decided and than the teacher said at the time of
    the review. This is new evidence, which deserves a second look; the person's answer stays in force.
    """
    review = reviews.get(input_hash(text))
    if review is None or review.decision == "reject":
        decision = None if review is None else review.decision
        return {"review": decision, "answer": answer, "edited": False, "contradicted": False}
    known = [review.answer] if review.teacher_answer is None else [review.answer, review.teacher_answer]
    contradicted = answer is not None and not any(same(answer, other, spec) for other in known)
    return {
        "review": review.decision,
        "answer": review.answer,
        "edited": answer != review.answer,
        "contradicted": contradicted,
    }
