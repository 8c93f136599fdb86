"""Precision and recall of derived labels, and answers that rest on what they cite."""

from __future__ import annotations

import pytest

from promptstill.answers.rates import rates
from promptstill.answers.spec import AnswerSpec, Normalisation
from promptstill.rows.row import Answer
from tests.cited import REFUSED, SPEC, asked, cited
from tests.project import TEXT_SCHEMA

INPUT = asked("What does a ticket cost?", "A ticket costs $4.", "The pool closes at 21:00.")
FOUR = cited("It costs $4.", 1)


def test_only_derived_labels_and_citations_have_rates() -> None:
    assert list(rates(SPEC)) == ["refused_precision", "refused_recall", "grounded"]
    assert rates(AnswerSpec(TEXT_SCHEMA, Normalisation(format="text"))) == {}


@pytest.mark.parametrize(
    ("answer", "truth", "precision", "recall"),
    [
        (REFUSED, REFUSED, True, True),
        (REFUSED, FOUR, False, None),
        (FOUR, REFUSED, None, False),
        (FOUR, FOUR, None, None),
        (None, REFUSED, None, False),
        (None, FOUR, None, None),
    ],
)
def test_precision_is_about_answers_and_recall_about_truths(
    answer: Answer | None, truth: Answer, precision: bool | None, recall: bool | None
) -> None:
    named = rates(SPEC)
    assert named["refused_precision"](INPUT, answer, truth) is precision
    assert named["refused_recall"](INPUT, answer, truth) is recall


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (FOUR, True),
        (cited("It costs $4.", 2, 1), True),
        (cited("It costs $5.", 1), False),
        (cited("It costs $4.", 2), False),
        (cited("It costs $4."), False),
        (cited("It costs $4.", 7), False),
        (REFUSED, None),
        (None, None),
    ],
)
def test_an_answer_is_grounded_if_its_facts_are_in_what_it_cites(
    answer: Answer | None, expected: bool | None
) -> None:
    assert rates(SPEC)["grounded"](INPUT, answer, REFUSED) is expected
