"""eval: baselines that look an answer up in the input."""

from __future__ import annotations

import math

import numpy as np
import pytest

from promptstill.near.vectors import Vectors
from promptstill.rows.row import SplitRow
from stages.eval.baselines import classes_of, embeddings_answers, fitted_ngrams, ngrams_answers, targets_of
from stages.eval.retrieval import question, threshold
from stages.eval.scores import Judged, scores
from tests.cited import REFUSED, SPEC, asked, cited
from tests.rows import split_row

PASSAGES = ("A ticket costs $4. Children pay $2.", "The sauna opens at noon.", "Dogs stay outside.")
WORDS = ("ticket", "children", "sauna", "dogs")


def rows(count: int = 3) -> list[SplitRow]:
    """Rows whose question names a passage, and as many that the passages do not answer."""
    answered = [
        split_row(i, input=asked(f"the sauna, number {i}", *PASSAGES), answer=cited(PASSAGES[1], 2))
        for i in range(count)
    ]
    refused = [
        split_row(count + i, input=asked(f"the moon, number {i}", *PASSAGES), answer=REFUSED)
        for i in range(count)
    ]
    return [*answered, *refused]


def words_of(texts: list[str]) -> Vectors:
    """Which of the words each text has."""
    return np.array([[word in text.lower() for word in WORDS] for text in texts], dtype=np.float32)


def test_the_question_is_what_no_passage_is() -> None:
    rules = SPEC.rules.citations
    assert rules is not None
    assert question(asked("May dogs swim?", *PASSAGES), rules) == "Page: the pool Question: May dogs swim?"


@pytest.mark.parametrize("baseline", ["embeddings", "ngrams"])
def test_the_nearest_sentence_is_the_answer_and_its_passage_the_citation(baseline: str) -> None:
    texts = [
        asked("what do children pay?", *PASSAGES),
        asked("may dogs stay inside?", *PASSAGES[::-1]),
        asked("who won the cup?", *PASSAGES),
        "no passages at all",
    ]
    answers = (
        embeddings_answers(rows(), texts, words_of, SPEC)
        if baseline == "embeddings"
        else ngrams_answers(fitted_ngrams(rows(), SPEC), rows(), texts, SPEC)
    )
    assert answers[:2] == [cited("Children pay $2.", 1), cited("Dogs stay outside.", 1)]
    assert answers[3] == REFUSED
    if baseline == "embeddings":
        assert answers[2] == REFUSED


def test_what_is_looked_up_is_no_class_however_often_it_repeats() -> None:
    assert classes_of(targets_of(rows(20), SPEC), SPEC) == {}


@pytest.mark.parametrize(
    ("similarities", "refused", "expected"),
    [
        ([0.1, 0.2, 0.8, 0.9], [True, True, False, False], 0.8),
        ([0.1, 0.2, 0.8, 0.9], [False] * 4, 0.1),
        ([0.1, 0.2], [True, True], math.inf),
        ([0.1, 0.3, 0.2, 0.9], [True, True, False, False], 0.2),
        ([-math.inf, 0.5], [True, False], 0.5),
    ],
)
def test_the_threshold_is_right_about_most_train_rows(
    similarities: list[float], refused: list[bool], expected: float
) -> None:
    assert threshold(similarities, refused) == expected


def test_scores_have_rates_with_intervals_and_null_where_no_case_counts() -> None:
    text = asked("what does a ticket cost?", *PASSAGES)
    truth = cited("A ticket costs $4.", 1)
    cases = [
        Judged(text, truth, answer, (), str(i))
        for i, answer in enumerate([truth, cited("A ticket costs $9.", 1), REFUSED])
    ]
    metrics = scores(cases, SPEC, 0.95)
    assert (metrics["grounded"], metrics["refused_precision"], metrics["refused_recall"]) == (0.5, 0.0, None)
    assert metrics["grounded_low"] < 0.5 < metrics["grounded_high"]
    assert metrics["refused_recall_low"] is metrics["refused_recall_high"] is None
    assert metrics["accuracy"] == pytest.approx(1 / 3, abs=1e-4)
    assert metrics["label_accuracy"] == pytest.approx(2 / 3, abs=1e-4)
    assert metrics["cites_f1"] == pytest.approx(2 / 3, abs=1e-4)
