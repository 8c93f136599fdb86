"""The pieces that a student writes for an answer, and the answer that pieces stand for."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptstill.answers.schema.script import ABSENT, Script, Slot
from promptstill.answers.schema.script import LABEL as LABEL_SLOT
from promptstill.answers.spec import AnswerSpec, Normalisation
from promptstill.console.errors import UserError
from tests.promptstill.answers.tasks import spec_of

TEXT = AnswerSpec({"type": "string", "enum": ["de", "en"]}, Normalisation(format="text"))
OPEN_TEXT = AnswerSpec({"type": "string"}, Normalisation(format="text"))
LABEL = {"enum": ["a", "b"]}
# Values whose bare texts are those of other values, or that cannot stand bare on a line of their own.
ALIKE = [None, "null", '"null"', 1, "1", True, "true", 0.5, "0.5", "", " ", " a", "a", '"a"', "a\nb", "a b",
         "naïve", [1, "1"], "[1]", {"b": 1, "a": None}, "{}"]  # fmt: skip
FREE = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
CONFIDENCES: list[Any] = [
    {"type": "number", "minimum": 0, "maximum": 1},
    {"type": "integer", "minimum": 0, "maximum": 100},
    {"enum": [0.3, 0.5, 0.9]},
    {"enum": ["low", "high"]},
    {"const": 0.9},
]


def stated(node: dict[str, Any]) -> list[Any]:
    """Some confidences that a schema allows."""
    values = [0.25, 0.5, 1, 7, 50, 93, 0.3, 0.9, "low", "high"]
    return [value for value in values if jsonschema.Draft202012Validator(node).is_valid(value)]


STATED = [(node, value) for node in CONFIDENCES for value in stated(node)]


@st.composite
def answers(draw: st.DrawFn) -> tuple[AnswerSpec, dict[str, Any], float]:
    """A task, an answer of it, and the probability that the answer states."""
    properties: dict[str, Any] = {}
    answer: dict[str, Any] = {}
    optional = []
    for i in range(draw(st.integers(1, 4))):
        key = f"k{i}"
        kind = draw(st.sampled_from(["enum", "boolean", "const", "free"]))
        value: Any
        if kind == "free":
            properties[key], value = {}, draw(FREE)
        elif kind == "boolean":
            properties[key], value = {"type": "boolean"}, draw(st.booleans())
        else:
            size = 1 if kind == "const" else 8
            listed = draw(st.lists(st.sampled_from(ALIKE), min_size=1, max_size=size, unique_by=json.dumps))
            properties[key], value = {"enum": listed}, draw(st.sampled_from(listed))
        if i and draw(st.booleans()):
            optional.append(key)
        if key not in optional or draw(st.booleans()):
            answer[key] = value
    probability = 0.5
    rules = {}
    if draw(st.booleans()):
        properties["sure"], answer["sure"] = draw(st.sampled_from(STATED))
        rules["confidence"] = "sure"
        if not isinstance(answer["sure"], str):
            probability = answer["sure"] / (100 if properties["sure"].get("type") == "integer" else 1)
    properties["last"] = LABEL
    answer["last"] = draw(st.sampled_from(["a", "b"]))
    return spec_of(properties, *optional, label="last", **rules), answer, probability


@settings(max_examples=400)
@given(answers())
def test_the_pieces_of_an_answer_stand_for_that_answer(
    drawn: tuple[AnswerSpec, dict[str, Any], float],
) -> None:
    spec, answer, probability = drawn
    script = Script(spec)
    back = script.answer(script.pieces(answer), probability)
    # An absent key that may be null is written as null.
    nodes = spec.schema["properties"].items()
    nullable = {key for key, node in nodes if spec.validator.evolve(schema=node).is_valid(None)}
    answer = {key: answer.get(key) for key, _ in nodes if key in answer or key in nullable}
    assert isinstance(back, dict)
    assert (back, list(back)) == (answer, list(answer))
    assert [type(value) for value in back.values()] == [type(value) for value in answer.values()]


@given(st.lists(st.sampled_from(ALIKE), min_size=1, unique_by=json.dumps), st.booleans())
def test_no_two_pieces_of_a_slot_are_alike_and_each_is_on_one_line(values: list[Any], optional: bool) -> None:
    pieces = Slot("k", tuple(values), optional).pieces
    assert len(set(pieces)) == len(pieces) == len(values) + optional
    assert not any("\n" in piece for piece in pieces)
    assert (ABSENT in pieces) == optional


def test_a_text_stands_bare_unless_it_would_be_read_as_another_value() -> None:
    assert Slot("k", (None, "fire", "null"), True).pieces == ("null", "fire", '"null"', ABSENT)


@pytest.mark.parametrize(
    "text", ["carte\u00a0bleue", "\u0645\u06cc\u200c\u0631\u0648\u062f", "\U0001f469\u200d\U0001f4bb"]
)
def test_unusual_signs_stand_bare(text: str) -> None:
    assert Slot("k", (text, "b"), False).pieces == (text, "b")


@pytest.mark.parametrize("values", [["a", '"a"'], ["a\nb", "c"], [" a", "a"], ["1", "2"]])
def test_a_listed_text_answer_has_the_piece_of_its_value(values: list[str]) -> None:
    script = Script(AnswerSpec({"enum": [*values, None, 1]}, Normalisation(format="text")))
    assert script.slots[0].values == tuple(values), "no text is no answer of a text task"
    for value in values:
        assert script.pieces(value)[0] in script.slots[0].pieces
        assert script.answer(script.pieces(value), 0.5) == value


def test_values_that_are_equal_in_json_are_the_same() -> None:
    script = Script(spec_of({"topic": {"enum": [{"n": 1.0, "m": [2]}, 3, 3.0, True, 1]}}))
    assert script.slots[0].values == ({"n": 1.0, "m": [2]}, 3, True, 1)
    assert script.pieces({"topic": {"m": [2.0], "n": 1}}) == ['{"m": [2], "n": 1.0}']
    assert script.pieces({"topic": 1.0}) == ["1"]
    assert script.pieces({"topic": True}) == ["true"]


@pytest.mark.parametrize(
    ("node", "null"), [({"enum": ["x", None]}, "null"), ({"type": ["string", "null"]}, "null")]
)
def test_an_absent_key_that_may_be_null_is_null(node: dict[str, Any], null: str) -> None:
    script = Script(spec_of({"topic": LABEL, "why": node}, "why"))
    assert script.pieces({"topic": "a"}) == script.pieces({"topic": "a", "why": None}) == ["a", null]
    assert script.answer(["a", null], 0.5) == {"topic": "a", "why": None}


def test_objects_inside_a_value_are_written_in_the_order_of_the_schema() -> None:
    item = {"type": "object", "properties": {"b": {}, "a": {"$ref": "#/$defs/inner"}}}
    spec = spec_of({"topic": LABEL, "items": {"type": "array", "items": item}})
    spec = AnswerSpec({**spec.schema, "$defs": {"inner": {"properties": {"y": {}, "x": {}}}}}, spec.rules)
    answer = {"topic": "a", "items": [{"z": 0, "a": {"x": 1, "y": 2}, "b": 3}]}
    assert Script(spec).pieces(answer)[1] == '[{"b": 3, "a": {"y": 2, "x": 1}, "z": 0}]'


def test_the_order_of_the_schema_is_that_of_the_alternative_which_an_object_is() -> None:
    pair = {"type": "object", "properties": {"b": {}, "a": {}}}
    spec = spec_of({"topic": LABEL, "pair": {"anyOf": [{"properties": {"a": {}}}, pair, {"type": "null"}]}})
    assert Script(spec).pieces({"topic": "a", "pair": {"a": 1, "b": 2}})[1] == '{"b": 2, "a": 1}'
    spec = spec_of({"topic": LABEL, "pair": {"allOf": [pair, {"properties": {"c": pair}}]}})
    answer = {"topic": "a", "pair": {"c": {"a": 1, "b": 2}, "a": 3, "b": 4}}
    assert Script(spec).pieces(answer)[1] == '{"b": 4, "a": 3, "c": {"b": 2, "a": 1}}'


def test_a_text_answer_is_its_own_piece() -> None:
    assert [slot.key for slot in Script(TEXT).slots] == [""]
    assert Script(TEXT).pieces("en") == ["en"]
    assert Script(TEXT).answer(["en"], 0.5) == "en"
    assert Script(OPEN_TEXT).answer(Script(OPEN_TEXT).pieces('say "x"\n'), 0.5) == 'say "x"\n'


def test_scored_keys_come_first_and_what_is_fixed_or_computed_is_not_learnt() -> None:
    properties = {
        "note": {"type": "string"},
        "sure": {"type": "number", "maximum": 1},
        "version": {"const": 2},
        "alarm": {"type": "boolean"},
        "topic": LABEL,
    }
    spec = spec_of(properties, label="topic", scored={"alarm": "alarm_accuracy"}, confidence="sure")
    script = Script(spec)
    assert [slot.key for slot in script.slots] == ["topic", "alarm", "note"]
    assert list(script.answer(["a", "true", '"x"'], 0.876)) == list(properties)
    assert script.answer(["a", "true", '"x"'], 0.876) == {
        "note": "x", "sure": 0.88, "version": 2, "alarm": True, "topic": "a"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        ({"type": "number"}, 0.88),
        ({"type": ["number", "null"], "minimum": 0, "maximum": 1}, 0.88),
        ({"type": "integer"}, 88),
        ({"type": "integer", "exclusiveMaximum": 100, "minimum": 90}, 90),
        ({"type": "number", "minimum": 0, "maximum": 100}, 88),
        ({"enum": [0.3, 0.5, 0.7, 0.9]}, 0.9),
        ({"enum": [0, 25, 50, 75, 100]}, 100),
        ({"type": "number", "exclusiveMinimum": 0, "maximum": 0.8}, 0.8),
        ({"type": "number", "multipleOf": 0.25}, 1),
    ],
)
def test_the_confidence_is_stated_as_the_schema_allows(node: dict[str, Any], expected: float) -> None:
    script = Script(spec_of({"topic": LABEL, "sure": node}, confidence="sure"))
    assert [slot.key for slot in script.slots] == ["topic"]
    assert script.answer(["b"], 0.8765) == {"topic": "b", "sure": expected}
    for probability in (0.0, 0.004, 0.5, 1.0):
        said = script.answer(["b"], probability)["sure"]  # type: ignore[index]
        assert jsonschema.Draft202012Validator(node).is_valid(said)


@pytest.mark.parametrize(
    ("node", "scored"),
    [
        ({"enum": ["low", "high"]}, {}),
        ({"type": "number", "maximum": 1}, {"sure": "sure_accuracy"}),
        ({"enum": [1, 2, 3, 4, 5]}, {}),
        ({"enum": [-1, 0, 1]}, {}),
        ({"type": "integer", "minimum": 1, "maximum": 5}, {}),
        ({"type": "integer", "minimum": 0, "maximum": 10}, {}),
        ({"type": "number", "minimum": 0, "maximum": 10}, {}),
    ],
)
def test_a_confidence_in_words_or_on_another_scale_and_one_that_is_scored_are_learnt(
    node: dict[str, Any], scored: dict[str, str]
) -> None:
    script = Script(spec_of({"topic": LABEL, "sure": node}, confidence="sure", scored=scored))
    assert [slot.key for slot in script.slots] == ["topic", "sure"]


def test_values_that_the_rest_of_the_schema_forbids_are_not_listed() -> None:
    script = Script(spec_of({"topic": {"enum": ["a", "b", "other"], "maxLength": 1}}))
    assert script.slots[0].values == ("a", "b")


def test_a_piece_that_stands_for_no_value_is_an_error() -> None:
    with pytest.raises(ValueError, match="not in tuple"):
        Script(TEXT).answer(["fr"], 0.5)


@pytest.mark.parametrize("properties", [{"topic": {"const": "a"}}, {"topic": {"enum": [None]}}])
def test_a_schema_with_a_single_answer_is_an_error(properties: dict[str, Any]) -> None:
    spec = spec_of(properties | {"sure": {"type": "number"}}, confidence="sure")
    with pytest.raises(UserError, match=r"answer.schema.json: allows a single answer, so there is nothing"):
        Script(spec)


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
    assert [slot.key for slot in script.slots] == [LABEL_SLOT, "pages", "answer", "urgent"]
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
