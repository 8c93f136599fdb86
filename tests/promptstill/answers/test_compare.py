"""Comparison: which keys decide whether two answers are the same."""

from __future__ import annotations

from promptstill.answers.schema.compare import contradiction, deciding_keys, same
from promptstill.answers.spec import AnswerSpec, Normalisation
from tests.project import JSON_SCHEMA, TEXT_SCHEMA

TEXT = AnswerSpec(TEXT_SCHEMA, Normalisation(format="text"))
JSON = AnswerSpec(
    JSON_SCHEMA, Normalisation(format="json", label="colour", scored={"alarm": "alarm_accuracy"})
)
GOOD = {"colour": "red", "sure": 0.9, "alarm": None}


def test_the_label_and_the_scored_keys_decide() -> None:
    assert same(GOOD, GOOD | {"sure": 0.5}, JSON)
    assert not same(GOOD, GOOD | {"alarm": "fire"}, JSON)
    assert not same(GOOD, GOOD | {"colour": "blue"}, JSON)


def test_a_text_is_the_same_as_itself_only() -> None:
    assert same("red", "red", TEXT)
    assert not same("red", "blue", TEXT)


def test_a_missing_answer_is_the_same_as_no_other() -> None:
    assert not same(None, "red", TEXT)
    assert not same(None, None, TEXT)


def test_scored_keys_with_listed_values_decide() -> None:
    properties = {
        "colour": {"enum": ["red", "blue"]},
        "urgent": {"type": "boolean"},
        "kind": {"anyOf": [{"$ref": "#/$defs/kind"}, {"type": "null"}]},
        "version": {"const": 2},
        "sure": {"enum": [0.5, 0.9]},
        "summary": {"type": "string"},
        "sum": {"type": "number"},
        "why": {"type": ["string", "null"]},
        "unscored": {"enum": ["a", "b"]},
    }
    scored = {key: key for key in properties if key not in ("colour", "unscored")}
    rules = Normalisation(format="json", label="colour", scored=scored, confidence="sure")
    spec = AnswerSpec({"properties": properties, "$defs": {"kind": {"enum": ["a", "b"]}}}, rules)
    assert deciding_keys(spec) == ("urgent", "kind", "version")
    assert deciding_keys(TEXT) == ()


def test_values_with_a_comparison_of_their_own_decide_too() -> None:
    pages = {"type": "array", "items": {"type": "integer"}}
    properties = {
        "colour": {"enum": ["red"]},
        "pages": pages,
        "why": {"type": "string"},
        "note": {"type": "string"},
    }
    rules = Normalisation.check(
        {
            "format": "json",
            "label": "colour",
            "scored": {"pages": "pages", "why": "why", "note": "note"},
            "keys": {"pages": {"compare": "set"}, "why": {"compare": "text", "same_from": 0.5}},
        },
        "here",
    )
    spec = AnswerSpec({"properties": properties}, rules)
    assert deciding_keys(spec) == ("pages", "why")
    differ = contradiction(spec)
    answer = {"colour": "red", "pages": [1, 2], "why": "it is bright", "note": "a"}
    assert not differ(answer, answer | {"pages": [2, 1], "why": "It is bright!", "note": "b"})
    assert differ(answer, answer | {"pages": [1]})
    assert differ(answer, answer | {"why": "nobody knows"})
    text = AnswerSpec(
        {"type": "string"}, Normalisation.check({"format": "text", "value": {"compare": "text"}}, "here")
    )
    assert deciding_keys(text) == ("",)
