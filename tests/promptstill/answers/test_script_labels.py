"""A derived label in the pieces of an answer."""

from __future__ import annotations

import json

from promptstill.answers.schema.script import LABEL, Script
from promptstill.answers.spec import AnswerSpec, Normalisation
from tests.promptstill.answers.tasks import spec_of

SENTENCE = "I do not know."
REFUSING = spec_of(
    {
        "answer": {"type": "string"},
        "pages": {"type": "array", "items": {"type": "integer"}},
        "urgent": {"type": "boolean"},
    },
    label={"labels": {"refused": {"answer": SENTENCE, "pages": []}}, "otherwise": "answered"},
    scored={"pages": "pages", "answer": "answer"},
)


def test_a_derived_label_is_written_first_and_what_it_implies_is_not_written() -> None:
    script = Script(REFUSING)
    assert [slot.key for slot in script.slots] == [LABEL, "pages", "answer", "urgent"]
    refused = {"answer": SENTENCE, "pages": [], "urgent": True}
    pieces = script.pieces(refused)
    assert pieces == ["refused", "[]", json.dumps(SENTENCE), "true"]
    assert script.written(pieces) == [True, False, False, True]
    assert script.answer(pieces, 1.0) == refused
    answer = {"answer": "On page 2.", "pages": [2], "urgent": False}
    pieces = script.pieces(answer)
    assert pieces == ["answered", "[2]", '"On page 2."', "false"]
    assert all(script.written(pieces))
    assert script.answer(pieces, 1.0) == answer


def test_a_text_with_a_derived_label_is_written_after_it() -> None:
    rules = {"label": {"labels": {"refused": SENTENCE}, "otherwise": "answered"}, "format": "text"}
    script = Script(AnswerSpec({"type": "string"}, Normalisation.check(rules, "here")))
    assert script.pieces(SENTENCE) == ["refused", SENTENCE]
    assert script.written(["refused", SENTENCE]) == [True, False]
    assert script.answer(["refused", SENTENCE], 1.0) == SENTENCE
    assert script.answer(["answered", "Yes."], 1.0) == "Yes."


def test_a_derived_label_that_listed_values_decide_is_not_written() -> None:
    rule = {"labels": {"both": {"a": True, "b": True}}, "otherwise": "not both"}
    spec = spec_of(
        {"a": {"type": "boolean"}, "b": {"type": "boolean"}}, label=rule, scored={"a": "a", "b": "b"}
    )
    assert [slot.key for slot in Script(spec).slots] == ["a", "b"]
    assert spec.label({"a": True, "b": True}) == "both"
