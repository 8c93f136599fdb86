"""still review: how far two people agree."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from sklearn.metrics import cohen_kappa_score

from promptstill.answers.spec import AnswerSpec, Normalisation
from promptstill.reviews.decisions import Review
from promptstill.rows.identity import input_hash
from stages.review.second import Looks, looks
from still.review.agreement import Agreement
from tests.project import TEXT_SCHEMA

SPEC = AnswerSpec(TEXT_SCHEMA, Normalisation(format="text"))


def review(number: int, answer: str | None, blind: bool = False, decision: str = "edit") -> Review:
    """A decision about a text; without an answer, the row is rejected."""
    content = {
        "input_hash": input_hash(f"text {number}"),
        "id": f"row-{number}",
        "decision": "reject" if answer is None and decision == "edit" else decision,
        "answer": answer,
        "reviewer": "Bo" if blind else "Ada",
        "at": "2026-04-01T00:00:00Z",
        "blind": blind,
    }
    return Review.check(content, "here")


def pairs(*labels: tuple[str | None, str | None]) -> list[Looks]:
    """Rows that two people have decided."""
    lines = [
        of
        for number, (first, second) in enumerate(labels)
        for of in (review(number, first), review(number, second, blind=True))
    ]
    return list(looks(lines).values())


def test_kappa_is_that_of_the_labels_and_a_rejected_row_is_one_more() -> None:
    decided: Sequence[tuple[str | None, str | None]] = [
        ("red", "red"),
        ("red", "blue"),
        ("blue", "blue"),
        ("green", "green"),
        (None, None),
        (None, "red"),
    ]
    agreement = Agreement.of(pairs(*decided), SPEC)
    first, second = ([label or "" for label in side] for side in zip(*decided, strict=True))
    assert agreement.rows == 6
    assert agreement.share == pytest.approx(4 / 6, abs=1e-4)
    assert agreement.kappa == pytest.approx(cohen_kappa_score(first, second), abs=1e-4)
    assert [pair[0].id for pair in agreement.open] == ["row-1", "row-5"]


def test_nobody_and_chance_alone_have_no_kappa() -> None:
    assert Agreement.of([], SPEC) == Agreement(0, None, None, [])
    assert Agreement.of(pairs(("red", "red"), ("red", "red")), SPEC).kappa is None


def test_what_a_third_decision_settles_is_not_open() -> None:
    lines = [review(1, "red"), review(1, "blue", blind=True), review(1, "blue")]
    agreement = Agreement.of(list(looks(lines).values()), SPEC)
    assert (agreement.rows, agreement.share, agreement.open) == (1, 0.0, [])


def test_a_decision_that_was_taken_back_is_no_first_look() -> None:
    lines = [review(1, "red"), review(1, None, decision="withdraw"), review(1, "blue", blind=True)]
    (of_row,) = looks(lines).values()
    assert of_row.pair is None
