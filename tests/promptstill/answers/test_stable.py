"""Rules that do not fit the schema are found when the files are read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from promptstill.answers.spec import AnswerSpec
from promptstill.console.errors import UserError
from tests.promptstill.answers.tasks import schema_of, write_task

TEXT = {"type": "string", "enum": ["red", "None", "Dark Blue"]}


@pytest.mark.parametrize(
    ("schema", "rules", "message"),
    [
        (TEXT, {"value": {"case": "lower"}}, 'value: "None" in'),
        (TEXT, {"value": {"case": "upper"}}, 'becomes "RED"'),
        (TEXT, {"value": {"null_words": ["none"]}}, 'value: "None" in'),
        (TEXT, {"value": {"aliases": {"red": "Dark Blue"}}}, '"red" in'),
        (TEXT, {"value": {"aliases": {"navy": "dark blue"}}}, "value.aliases: 'navy' becomes \"dark blue\""),
        (TEXT, {"value": {"number": True}}, "`number` and `names` are for keys"),
        (TEXT, {"pattern": "(e)"}, '"red" in'),
        ({"type": "string"}, {"value": {"enum_spelling": True}}, "value.enum_spelling"),
        ({"type": "integer"}, {}, "allows no text"),
        (True, {}, "must be an object"),
    ],
)
def test_rules_of_a_text_task(project: Path, schema: Any, rules: dict[str, Any], message: str) -> None:
    write_task(project, schema, {"format": "text"} | rules)
    refused(message)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"colour": {"case": "upper"}}, 'keys.colour: "red" in'),
        ({"colour": {"null_words": ["none"]}}, 'keys.colour: "None" in'),
        ({"level": {"number": True}}, 'keys.level: "1" in'),
        ({"tags": {"case": "upper"}}, 'keys.tags: "a" in'),
        ({"colour": {"names": ["level"]}}, "keys.colour.names: 'level' already names 'level'"),
        (
            {"colour": {"names": ["x"]}, "level": {"names": ["x"]}},
            "keys.level.names: 'x' already names 'colour'",
        ),
        ({"level": {"aliases": {"low": "0"}}}, "keys.level.aliases: 'low' becomes \"0\""),
        ({"note": {"enum_spelling": True}}, "keys.note.enum_spelling"),
    ],
)
def test_rules_of_a_json_task(project: Path, keys: dict[str, Any], message: str) -> None:
    properties = {
        "colour": TEXT,
        "level": {"enum": ["1", "2"]},
        "tags": {"type": "array", "items": {"enum": ["a"]}},
        "note": {"type": "string"},
    }
    write_task(project, schema_of(properties), {"format": "json", "label": "colour", "keys": keys})
    refused(message)


def refused(message: str) -> None:
    with pytest.raises(UserError) as raised:
        AnswerSpec.load("colour")
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_rules_that_keep_every_value_are_accepted(project: Path) -> None:
    values = ["red", "dark-blue", None, 1.0, True]
    properties = {
        "colour": {"enum": values},
        "tags": {"items": {"enum": ["a"]}},
    }
    keys = {"colour": {"enum_spelling": True, "null_words": ["n/a"], "aliases": {"navy": "dark-blue"}}}
    write_task(project, schema_of(properties), {"format": "json", "label": "colour", "keys": keys})
    spec = AnswerSpec.load("colour")
    for value in values:
        assert spec.of_value({"colour": value, "tags": ["a"]}).answer == {"colour": value, "tags": ["a"]}


def test_a_value_with_marks_of_its_own_is_kept(project: Path) -> None:
    values = ["C*", "yes.", '"x"', "`a`", "a*b"]
    write_task(project, {"enum": values}, {"format": "text", "pattern": r"Answer: (.*)"})
    spec = AnswerSpec.load("colour")
    assert [spec.parse(f"Answer: {value}").answer for value in values] == values
    assert spec.parse("**Answer:** yes.").answer == "yes."
