"""The parser: many shapes of a reply, one canonical answer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptstill.answers.spec import AnswerSpec, Normalisation
from promptstill.console.errors import UserError
from promptstill.rows.row import Answer
from tests.project import JSON_SCHEMA, TEXT_SCHEMA, write

TEXT = AnswerSpec(
    TEXT_SCHEMA,
    Normalisation.check(
        {
            "format": "text",
            "pattern": r"(?i)final answer\s*:\s*([^\n]*)",
            "value": {"case": "lower", "aliases": {"rouge": "red"}},
        },
        "here",
    ),
)
JSON = AnswerSpec(
    JSON_SCHEMA,
    Normalisation.check(
        {
            "format": "json",
            "label": "colour",
            "scored": {"alarm": "alarm_accuracy"},
            "confidence": "sure",
            "keys": {
                "colour": {"case": "lower"},
                "sure": {"number": True},
                "alarm": {"null_words": ["none", "null", ""]},
            },
        },
        "here",
    ),
)
GOOD = {"colour": "red", "sure": 0.9, "alarm": None}


@pytest.mark.parametrize(
    "reply",
    [
        "Final Answer: red",
        "**Final Answer:** RED.",
        "red",
        "`red`",
        "```\nred\n```",
        "It burns, so it is warm.\nFinal answer: Rouge",
        "Final Answer: red\nFinal Answer: Red",
    ],
)
def test_text_answers_in_many_shapes(reply: str) -> None:
    assert TEXT.parse(reply).answer == "red"


@pytest.mark.parametrize(
    ("reply", "problem"),
    [
        ("", "no_answer"),
        ("  \n ", "no_answer"),
        ("x" * 30_000, "no_answer"),
        ("Final Answer: red\nFinal Answer: blue", "several_answers"),
        ("Final Answer: purple", "schema_mismatch"),
        ("I would say red", "schema_mismatch"),
    ],
)
def test_text_replies_without_one_answer(reply: str, problem: str) -> None:
    parsed = TEXT.parse(reply)
    assert (parsed.answer, parsed.problem) == (None, problem)


@pytest.mark.parametrize(
    "reply",
    [
        json.dumps(GOOD),
        "```json\n" + json.dumps(GOOD, indent=2) + "\n```",
        "Sure! Here it is: " + json.dumps(GOOD) + " Anything else?",
        '{"alarm": "none", "Colour": "RED", "sure": "0.9"}',
        '{"COLOUR": "red", "Sure": 0.9, "alarm": ""}',
        json.dumps(GOOD) + "\n" + json.dumps(GOOD),
        "{not json} " + json.dumps(GOOD),
    ],
)
def test_json_answers_in_many_shapes(reply: str) -> None:
    answer = JSON.parse(reply).answer
    assert answer == GOOD
    assert isinstance(answer, dict)
    assert list(answer) == ["colour", "sure", "alarm"], "keys are in the order of the schema"


@pytest.mark.parametrize(
    ("reply", "problem"),
    [
        ("no object here", "not_json"),
        ("[1, 2]", "not_json"),
        ('{"colour": "red", "sure": 0.9, "alarm": null', "not_json"),
        ('{"colour": "red", "sure": NaN, "alarm": null}', "not_json"),
        ('{"colour": "red", "sure": 0.9}', "schema_mismatch"),
        ('{"colour": "red", "sure": 0.8, "alarm": null}', "schema_mismatch"),
        ('{"colour": "red", "sure": 0.9, "alarm": null, "more": 1}', "schema_mismatch"),
        ('{"colour": "red", "colour": "blue", "sure": 0.9, "alarm": null}', "several_answers"),
        (json.dumps(GOOD) + json.dumps(GOOD | {"colour": "blue"}), "several_answers"),
        ("[" * 10_000 + "{" * 5_000, "not_json"),
    ],
)
def test_json_replies_without_one_answer(reply: str, problem: str) -> None:
    parsed = JSON.parse(reply)
    assert (parsed.answer, parsed.problem) == (None, problem)


answers = st.one_of(
    st.sampled_from(TEXT_SCHEMA["enum"]),
    st.fixed_dictionaries(
        {
            "colour": st.sampled_from(TEXT_SCHEMA["enum"]),
            "sure": st.sampled_from([0.5, 0.9]),
            "alarm": st.sampled_from(["fire", None]),
        }
    ),
)


@given(answers)
def test_canonical_text_parses_back_to_the_same_answer(answer: Answer) -> None:
    spec = TEXT if isinstance(answer, str) else JSON
    assert spec.parse(spec.text(answer)).answer == answer


@given(st.text())
def test_any_reply_is_an_answer_or_a_named_problem(reply: str) -> None:
    for spec in (TEXT, JSON):
        parsed = spec.parse(reply)
        assert (parsed.answer is None) == (parsed.problem is not None)


def test_an_answer_names_its_label_and_its_confidence() -> None:
    assert JSON.label(GOOD) == "red"
    assert JSON.confidence(GOOD) == 0.9


def test_the_hash_changes_with_schema_and_with_rules() -> None:
    other_rules = Normalisation.check({"format": "text", "value": {"case": "upper"}}, "here")
    smaller: dict[str, Any] = {"type": "string", "enum": ["red"]}
    assert (
        len({TEXT.hash, AnswerSpec(TEXT_SCHEMA, other_rules).hash, AnswerSpec(smaller, TEXT.rules).hash}) == 3
    )


def circle(schema: str) -> str:
    """A schema whose definitions refer to each other: `a` refers to `b` inside of other schemas."""
    a = schema.replace("%s", '{"$ref": "#/$defs/b"}')
    return '{"$ref": "#/$defs/a", "$defs": {"a": %s, "b": {"$ref": "#/$defs/a"}}}'.replace("%s", a)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("answer.schema.json", '{"type": "strin"}', "not a JSON Schema"),
        ("answer.schema.json", '{"type": ', "not JSON"),
        ("answer.schema.json", '{"$ref": "#/x"}', "$ref '#/x': leads to nothing in this file"),
        ("answer.schema.json", '{"$ref": "https://x.test/y"}', "leads to nothing in this file"),
        ("answer.schema.json", '{"allOf": [{"$ref": "#/$defs/a"}]}', "leads to nothing in this file"),
        ("answer.schema.json", '{"x": {"$ref": "#/y"}, "$ref": "#/x"}', "$ref '#/y': leads to nothing"),
        ("answer.schema.json", '{"type": "string", "$ref": "#"}', "$ref '#': leads back to itself"),
        ("answer.schema.json", circle('{"allOf": [%s]}'), "leads back to itself through #/$defs/b"),
        ("answer.schema.json", circle('{"anyOf": [{"type": "null"}, %s]}'), "leads back to itself through"),
        ("answer.schema.json", circle('{"oneOf": [{"not": %s}]}'), "leads back to itself through"),
        ("answer.schema.json", circle('{"dependentSchemas": {"x": %s}}'), "leads back to itself through"),
        ("answer.schema.json", '{"$ref": "#/x", "x": {"allOf": 3}}', "$ref '#/x': leads to no schema"),
        ("normalise.yaml", "format: text\npatern: x\n", "patern: unknown key (did you mean pattern?)"),
        ("normalise.yaml", "format: text\npattern: '('\n", "not a regular expression"),
        ("normalise.yaml", "format: text\npattern: 'x'\n", "exactly one group"),
        ("normalise.yaml", "format: [text\n", "not YAML"),
    ],
)
def test_mistakes_in_the_files_are_one_line(project: Path, name: str, content: str, message: str) -> None:
    write(project / "expectations/colour" / name, content)
    with pytest.raises(UserError) as raised:
        AnswerSpec.load("colour")
    assert name in str(raised.value)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#/$defs/colour", "$defs": {"colour": {"enum": ["red"]}}},
        {"$id": "https://x.test/a", "$ref": "b", "$defs": {"b": {"$id": "b", "enum": ["red"]}}},
        {"enum": ["red"], "$defs": {"tree": {"items": {"$ref": "#/$defs/tree"}}}},
        {"enum": ["red"], "$defs": json.loads(circle('{"items": {"allOf": [%s]}}'))["$defs"]},
        {"allOf": [{"$ref": "#/$defs/a"}, {"$ref": "#/$defs/a"}, True], "$defs": {"a": {"enum": ["red"]}}},
        {"enum": ["red"], "const": "red", "not": {"const": {"$ref": "#/nowhere"}}},
    ],
)
def test_references_that_lead_into_the_schema(project: Path, schema: Any) -> None:
    write(project / "expectations/colour/answer.schema.json", json.dumps(schema))
    write(project / "expectations/colour/normalise.yaml", "format: text\n")
    assert AnswerSpec.load("colour").parse("red").answer == "red"


def test_rules_must_name_keys_of_the_schema(project: Path) -> None:
    write(project / "expectations/colour-json/normalise.yaml", "format: json\nlabel: color\n")
    with pytest.raises(UserError, match="has no property 'color'"):
        AnswerSpec.load("colour-json")
