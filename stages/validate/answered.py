"""One answer for a row: the vote of its samples, unless a person decided otherwise."""

from __future__ import annotations

from promptstill.answers.consensus import Read, decide
from promptstill.answers.spec import AnswerSpec
from promptstill.reviews.decisions import Reviewed, Reviews, review_of
from promptstill.rows.row import AnsweredRow, SampledRow


def answered(row: SampledRow, reviews: Reviews, spec: AnswerSpec, read: Read) -> tuple[AnsweredRow, Reviewed]:
    """The row with its answer, and the review that applies to it."""
    decision = decide(row["samples"], spec, read)
    reviewed = review_of(row, decision["answer"], reviews, spec)
    answer = reviewed["answer"]
    if answer is not None:
        decision = {
            **decision,
            "answer": answer,
            "label": spec.label(answer),
            "confidence": spec.confidence(answer),
        }
    return {**row, **decision, "review": reviewed["review"], "edited": reviewed["edited"]}, reviewed
