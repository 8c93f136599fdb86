"""Values take the type that the schema gives them, and numbers are finite."""

from __future__ import annotations

import json
from typing import Any

import pytest

from promptstill.answers.consensus import decide
from promptstill.answers.schema.compare import same
from tests.promptstill.answers.tasks import spec_of
from tests.rows import sampled_row


@pytest.mark.parametrize(
    ("schema", "written", "value"),
    [
        ({"type": "integer"}, '"1"', 1),
        ({"type": "integer"}, "1.0", 1),
        ({"type": "integer"}, '"1.0"', 1),
        ({"enum": [0, 1]}, '"1"', 1),
        ({"enum": [0, 1]}, "1.0", 1),
        ({"type": "number"}, "1.0", 1),
        ({"type": "number"}, '"0.25"', 0.25),
        ({"type": "number"}, "-0.0", 0),
        ({"type": "number"}, "1e300", 1e300),
        ({"enum": [0.5, 1.0]}, "1", 1.0),
        ({"type": "boolean"}, '"True"', True),
        ({"type": "boolean"}, "0", False),
        ({"type": "boolean"}, '"1"', True),
        ({"type": ["integer", "null"]}, '"null"', None),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, '"7"', 7),
        ({"$ref": "#/$defs/flag"}, '"1"', 1),
        ({"type": ["integer", "string"]}, '"1"', "1"),
        ({"type": "array", "items": {"type": "integer"}}, '["1", 2.0]', [1, 2]),
        ({"type": "object", "properties": {"n": {"type": "integer"}}}, '{"n": "3"}', {"n": 3}),
    ],
)
def test_a_value_takes_the_type_of_the_schema(schema: dict[str, Any], written: str, value: object) -> None:
    spec = spec_of({"x": schema})
    spec.schema["$defs"] = {"flag": {"enum": [0, 1]}}
    parsed = spec.parse(f'{{"x": {written}}}')
    assert json.dumps(parsed.answer) == json.dumps({"x": value})
    same_number = json.loads(written) == value and not isinstance(value, bool)
    assert parsed.repairs == (() if same_number else ("value_type",))


def test_two_spellings_of_a_number_are_one_class_and_no_disagreement() -> None:
    spec = spec_of({"is_bad": {"type": "integer", "enum": [0, 1]}}, keys={"is_bad": {"number": True}})
    decision = decide(sampled_row(0, '{"is_bad": "1"}', '{"is_bad": 1}', '{"is_bad": 1.0}')["samples"], spec)
    assert (decision["label"], decision["agreement"]) == ("1", 1.0)


def test_a_label_that_is_no_text_is_written_as_json() -> None:
    spec = spec_of({"x": {"enum": [True, False, None, 2]}})
    assert [spec.label({"x": value}) for value in (True, False, None, 2)] == ["true", "false", "null", "2"]


@pytest.mark.parametrize("written", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999", "9" * 5000])
@pytest.mark.parametrize("python", [False, True])
def test_a_number_that_is_not_finite_is_no_json(written: str, python: bool) -> None:
    spec = spec_of({"x": {}}, python=python)
    assert spec.parse(f'{{"x": {written}}}').problem == "not_json"
    assert spec.parse(f"{{'x': {written}}}").problem == "not_json"


@pytest.mark.parametrize(
    "written", ["NaN", "nan", "inf", "1e999", "Infinity", "1_000", "٣", "9" * 5000, "0x1"]
)
def test_a_text_that_is_no_finite_number_stays_a_text(written: str) -> None:
    spec = spec_of({"x": {"type": "number"}}, keys={"x": {"number": True}})
    assert spec.parse(json.dumps({"x": written})).problem == "schema_mismatch"


@pytest.mark.parametrize("schema", [{}, {"type": "array"}, {"type": "object"}])
def test_a_reply_that_is_nested_deeply_is_no_json(schema: dict[str, Any]) -> None:
    spec = spec_of({"x": schema}, python=True)
    for opening, closing in (("[", "]"), ('{"x":', "}")):
        for depth in (40, 900, 3000):
            reply = '{"x": ' + opening * depth + "1" + closing * depth + "}"
            assert spec.parse(reply).problem == "not_json", (opening, depth)
            assert spec.parse(reply.replace('"', "'")).problem == "not_json", (opening, depth)
            assert spec.parse(reply[: len(reply) // 2]).problem == "not_json", (opening, depth)


def test_half_of_a_surrogate_pair_is_a_problem_and_a_pair_is_a_character() -> None:
    spec = spec_of({"x": {"type": "string"}}, python=True)
    for half in ('{"x": "\\ud83d"}', "{'x': '\\ud83d'}", '{"x": 1, "\\ud83d": 2}'):
        parsed = spec.parse(half)
        assert parsed.problem is not None
        str(parsed.detail).encode("utf-8")
    for whole in ('{"x": "\\ud83d\\ude00"}', "{'x': '\\ud83d\\ude00'}", "{'x': '\\U0001f600'}"):
        assert spec.parse(whole).answer == {"x": "😀"}


def test_an_absent_label_is_a_named_problem() -> None:
    spec = spec_of({"x": {"type": "string"}, "sure": {"type": "number"}}, "x", "sure", confidence="sure")
    assert spec.parse('{"sure": 0.5}').problem == "no_label"
    assert spec.of_value({}).problem == "no_label"
    decision = decide(sampled_row(0, '{"sure": 0.5}')["samples"], spec)
    assert (decision["answer"], decision["label"], decision["problem"]) == (None, None, "no_label")


@pytest.mark.parametrize("stated", [{}, {"sure": None}, {"sure": "high"}, {"sure": True}])
def test_an_absent_confidence_is_none(stated: dict[str, Any]) -> None:
    spec = spec_of({"x": {"type": "string"}, "sure": {}}, "sure", confidence="sure", scored={"sure": "s"})
    (decision,) = [decide(sampled_row(0, json.dumps({"x": "y"} | stated))["samples"], spec)]
    assert (decision["label"], decision["confidence"]) == ("y", None)
    assert same({"x": "y"}, {"x": "y", "sure": None}, spec)


def test_the_order_of_members_is_no_difference() -> None:
    spec = spec_of({"x": {"type": "object"}})
    assert same({"x": {"a": 1, "b": 2}}, {"x": {"b": 2, "a": 1}}, spec)
