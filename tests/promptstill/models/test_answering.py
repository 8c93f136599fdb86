"""The whole student: texts in, answers with calibrated confidence out."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from promptstill.answers.spec import AnswerSpec, Normalisation
from promptstill.models.answering import Answerer
from promptstill.models.grammar import Grammar
from promptstill.models.mixture import aligned, mixed
from promptstill.models.ngrams import Ngrams
from promptstill.models.student import Weights, load_tokenizer, student_of
from tests.families import random_model
from tests.project import JSON_SCHEMA, LABELS, TEXT_SCHEMA, label_of, row
from tests.promptstill.answers.tasks import spec_of
from tests.promptstill.models.scored import TEXTS
from tests.trained import TASK, trained

TEXT = AnswerSpec(TEXT_SCHEMA, Normalisation(format="text"))
RULES = {"format": "json", "label": "colour", "scored": {"alarm": "alarm_accuracy"}, "confidence": "sure"}
JSON = AnswerSpec(JSON_SCHEMA, Normalisation.check(RULES, "here"))
INPUTS = [row(i)["input"] for i in range(24)]
LIMITS = 48, 16
ONLY_NGRAMS: Weights = {"model": 0.01, "ngrams": 4.0}


@pytest.fixture
def answerer(tiny: str) -> Answerer:
    return Answerer(random_model("Llama", {}), load_tokenizer(tiny), JSON, LIMITS)


@pytest.fixture(scope="module")
def ngrams() -> Ngrams:
    colours = [label_of(text) for text in INPUTS]
    alarms = ["fire" if colour == "red" else "null" for colour in colours]
    return Ngrams.fit(INPUTS, {"colour": colours, "alarm": alarms}, [str(i) for i in range(24)])


def test_the_confidence_is_the_product_over_the_scored_keys(answerer: Answerer) -> None:
    for text, given in zip(TEXTS, answerer.answer(TEXTS), strict=True):
        assert list(given.confidences) == ["colour", "alarm"], "the stated confidence is computed"
        assert given.confidence == pytest.approx(math.prod(given.confidences.values()), abs=2e-4), text
        assert isinstance(given.answer, dict)
        assert given.answer["sure"] == min([0.5, 0.9], key=lambda value: abs(value - given.confidence))


def test_a_key_that_no_metric_scores_does_not_count(tiny: str) -> None:
    spec = spec_of({"topic": {"enum": ["a", "b"]}, "note": {"enum": ["x", "y"]}})
    made = Answerer(random_model("Llama", {}), load_tokenizer(tiny), spec, LIMITS)
    for given in made.answer(TEXTS):
        assert given.confidence == given.confidences["topic"]


def test_a_text_answer_has_the_confidence_of_its_value(tiny: str) -> None:
    made = Answerer(random_model("Llama", {}), load_tokenizer(tiny), TEXT, LIMITS)
    for given in made.answer(TEXTS):
        assert given.answer in LABELS
        assert given.confidences == {"": given.confidence}


def test_ngrams_change_the_decision_and_the_confidence(answerer: Answerer, ngrams: Ngrams) -> None:
    alone = answerer.answer(INPUTS)
    weights = {"colour": ONLY_NGRAMS, "alarm": ONLY_NGRAMS}
    together = answerer.mixed_with(ngrams, weights).answer(INPUTS)
    right = [given.answer["colour"] == label_of(text) for given, text in zip(together, INPUTS, strict=True)]  # type: ignore[index]
    assert all(right)
    assert alone != together
    assert answerer.answer(INPUTS) == alone, "the first one is as it was"


def test_a_reply_has_the_probabilities_of_the_mixture(answerer: Answerer, ngrams: Ngrams) -> None:
    weights: Weights = {"model": 0.6, "ngrams": 0.7}
    alone, together = (
        answerer.replies(INPUTS),
        answerer.mixed_with(ngrams, {"colour": weights}).replies(INPUTS),
    )
    slot = answerer.script.slots[0]
    known = aligned(ngrams.log_probabilities(INPUTS)["colour"], ngrams.classes["colour"], slot.pieces)
    model = np.stack([reply.log_probabilities["colour"] for reply in alone])
    given = np.stack([reply.log_probabilities["colour"] for reply in together])
    assert np.allclose(given, mixed(model, known, weights))
    assert [reply.pieces[0] for reply in together] == [slot.pieces[best] for best in given.argmax(axis=1)]


def test_a_key_without_a_weight_for_ngrams_needs_none(tiny: str, answerer: Answerer, ngrams: Ngrams) -> None:
    weights: dict[str, Weights] = {key: {"model": 0.5, "ngrams": 0.0} for key in ("colour", "alarm")}
    made = Answerer(random_model("Llama", {}), load_tokenizer(tiny), JSON, LIMITS, weights=weights)
    with_ngrams = answerer.mixed_with(ngrams, weights).replies(INPUTS)
    for given, expected in zip(made.replies(INPUTS), with_ngrams, strict=True):
        assert given.pieces == expected.pieces
        assert given.probabilities == pytest.approx(expected.probabilities)


def test_probabilities_are_given_for_the_true_values_before(answerer: Answerer) -> None:
    """A key that follows is read behind the values that it is given, and not behind the student's own."""
    taken = answerer.replies(INPUTS)
    pieces = [answerer.script.slots[0].pieces[i % 3] for i in range(len(INPUTS))]
    given = answerer.given(INPUTS, [[piece, "null"] for piece in pieces])
    assert given["colour"] == pytest.approx(np.stack([reply.log_probabilities["colour"] for reply in taken]))
    other = 0
    for i, reply in enumerate(taken):
        same = reply.pieces[0] == pieces[i]
        other += not same
        assert np.allclose(given["alarm"][i], reply.log_probabilities["alarm"], rtol=0, atol=2e-7) == same
    assert other


def test_free_values_behind_the_last_listed_key_are_not_decoded(
    tiny: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = spec_of({"topic": {"enum": ["a", "b"]}, "note": {"type": "string"}})
    made = Answerer(random_model("Llama", {}), load_tokenizer(tiny), spec, (48, 4))
    decided = np.stack([reply.log_probabilities["topic"] for reply in made.replies(TEXTS)])
    monkeypatch.setattr(Grammar, "begin", lambda grammar: pytest.fail("a free value was decoded"))
    known = made.given(TEXTS, [["a", '"x"'] for _ in TEXTS])
    assert list(known) == ["topic"]
    assert np.allclose(known["topic"], decided)


def test_an_answer_that_is_cut_off_is_none(tiny: str) -> None:
    spec = spec_of({"topic": {"enum": ["a", "b"]}, "note": {"type": "string", "minLength": 40}})
    made = Answerer(random_model("Llama", {}), load_tokenizer(tiny), spec, (48, 4))
    for given in made.answer(TEXTS):
        assert (given.answer, given.cut_off) == (None, True)


def test_a_student_answers_after_loading_as_before_saving(
    project: Path, tiny: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[Any] = []
    from stages.train import adapter

    save = adapter.save

    def watched(student: Any, tokenizer: Any, ngrams: Any, folder: Path, use: Any) -> None:
        made = Answerer(student, tokenizer, TEXT, (use["max_input_tokens"], use["max_answer_tokens"]))
        kept.extend((made.mixed_with(ngrams, use["weights"]) if use["weights"] else made).answer(INPUTS))
        save(student, tokenizer, ngrams, folder, use)

    monkeypatch.setattr(adapter, "save", watched)
    trained(project, tiny)
    spec = AnswerSpec.load(TASK)
    loaded = Answerer.load(project / "models/colour", student_of(TASK, spec), spec).answer(INPUTS)
    assert [replace(given, confidence=0, confidences={}) for given in loaded] == [
        replace(given, confidence=0, confidences={}) for given in kept
    ]
    for given, before in zip(loaded, kept, strict=True):
        assert given.confidence == pytest.approx(before.confidence, abs=2e-4)
