"""Repairs: what normalise.yaml declares is read and counted, and nothing is guessed."""

from __future__ import annotations

import json

import pytest

from promptstill.answers.spec import AnswerSpec
from tests.project import LABELS
from tests.promptstill.answers.tasks import spec_of

COLOUR = {"type": "string", "enum": [*LABELS, "dark-blue", "Sea Green"]}
PLAIN = spec_of({"colour": COLOUR, "note": {"type": "string"}}, "note")
LENIENT = spec_of(
    {"colour": COLOUR, "note": {"type": "string"}},
    "note",
    python=True,
    keys={"colour": {"names": ["label"], "enum_spelling": True, "aliases": {"not a colour": "red"}}},
)


@pytest.mark.parametrize(
    ("reply", "answer", "repairs"),
    [
        ('{"colour": "red"}', {"colour": "red"}, ()),
        ('{"colour": "dark-blue", "note": " x "}', {"colour": "dark-blue", "note": "x"}, ()),
        ('{"label": "red"}', {"colour": "red"}, ("key_alias",)),
        ('{"LABEL": "red"}', {"colour": "red"}, ("key_alias",)),
        ('{"Colour": "red"}', {"colour": "red"}, ("key_spelling",)),
        ('{"colour": "Dark Blue"}', {"colour": "dark-blue"}, ("value_spelling",)),
        ('{"colour": "dark_blue"}', {"colour": "dark-blue"}, ("value_spelling",)),
        ('{"colour": "SEA-GREEN"}', {"colour": "Sea Green"}, ("value_spelling",)),
        ('{"colour": "seaGreen"}', {"colour": "Sea Green"}, ("value_spelling",)),
        ('{"colour": "not a colour"}', {"colour": "red"}, ("value_alias",)),
        ('{"colour": "Not_A_Colour"}', {"colour": "red"}, ("value_spelling",)),
        ("{'colour': 'red', 'note': None}", None, ()),
        ("{'colour': 'red', 'note': \"it's\"}", {"colour": "red", "note": "it's"}, ("python_notation",)),
        ("{'colour': 'red', 'note': 'it\\'s'}", {"colour": "red", "note": "it's"}, ("python_notation",)),
        ('{"colour": "red",}', {"colour": "red"}, ("python_notation",)),
        ('```json\n{"colour": "red"}\n```', {"colour": "red"}, ("markup",)),
        ('So: {"colour": "red"}', {"colour": "red"}, ("prose",)),
        (
            "So: {'label': 'Red'}",
            {"colour": "red"},
            ("key_alias", "prose", "python_notation", "value_spelling"),
        ),
    ],
)
def test_an_answer_names_the_repairs_that_it_took(
    reply: str, answer: dict[str, str] | None, repairs: tuple[str, ...]
) -> None:
    parsed = LENIENT.parse(reply)
    assert (parsed.answer, parsed.repairs) == (answer, repairs)


@pytest.mark.parametrize(
    ("reply", "problem"),
    [
        ('{"label": "red"}', "schema_mismatch"),
        ('{"colour": "Red"}', "schema_mismatch"),
        ('{"colour": "dark blue"}', "schema_mismatch"),
        ("{'colour': 'red'}", "not_json"),
    ],
)
def test_what_is_not_declared_is_not_repaired(reply: str, problem: str) -> None:
    assert PLAIN.parse(reply).problem == problem


def test_a_dict_names_the_rule_that_would_read_it() -> None:
    assert "python: true" in str(PLAIN.parse("{'colour': 'red'}").detail)


def test_an_undeclared_dict_still_contradicts() -> None:
    assert PLAIN.parse("{'colour': 'blue'} {\"colour\": \"red\"}").problem == "several_answers"


def test_seventy_seven_labels_need_one_rule() -> None:
    labels = [f"{word}_{number}_of_the_card" for number in range(11) for word in "abcdefg"]
    spec = spec_of({"intent": {"enum": labels}}, keys={"intent": {"enum_spelling": True}})
    for label in labels:
        for written in (label, label.replace("_", " ").title(), label.replace("_", "-").upper()):
            assert spec.parse(json.dumps({"intent": written})).answer == {"intent": label}


@pytest.mark.parametrize("written", ["AB", "A-B", "a b", "A_B"])
def test_a_spelling_that_fits_two_values_is_not_repaired(written: str) -> None:
    spec = spec_of({"x": {"enum": ["a_b", "a-b", "ab"]}}, keys={"x": {"enum_spelling": True}})
    meant = {"AB": {"x": "ab"}, "A-B": {"x": "a-b"}, "A_B": {"x": "a_b"}}
    assert spec.parse(json.dumps({"x": written})).answer == meant.get(written)


def test_rules_of_a_list_are_for_its_items() -> None:
    tags = {"type": "array", "items": {"enum": ["late-fee", "refund"]}}
    spec = spec_of({"x": {"type": "string"}, "tags": tags}, keys={"tags": {"enum_spelling": True}})
    parsed = spec.parse('{"x": "y", "tags": ["Late fee", "refund"]}')
    assert parsed.answer == {"x": "y", "tags": ["late-fee", "refund"]}
    assert parsed.repairs == ("value_spelling",)


def unicode_spec() -> AnswerSpec:
    return spec_of(
        {
            "категория": {"enum": ["да", "нет"]},
            "类别": {"type": "string"},
            "श्रेणी": {"type": "string"},
            "catégorie": {"type": "string"},
        }
    )


def test_keys_in_other_scripts_do_not_collide() -> None:
    answer = {"категория": "да", "类别": "甲", "श्रेणी": "ख", "catégorie": "x"}
    assert unicode_spec().parse(json.dumps(answer)).answer == answer
    spelt = {"КАТЕГОРИЯ": "да", " 类别 ": "甲", "**श्रेणी**": "ख", "Cate\u0301gorie": "x"}
    parsed = unicode_spec().parse(json.dumps(spelt))
    assert (parsed.answer, parsed.repairs) == (answer, ("key_spelling",))


def test_keys_that_differ_in_a_separator_do_not_collide() -> None:
    spec = spec_of({"a_b": {"type": "integer"}, "ab": {"type": "integer"}}, "ab", "a_b")
    assert spec.parse('{"a_b": 1, "ab": 2}').answer == {"a_b": 1, "ab": 2}
    assert spec.parse('{"A_B": 1, "AB": 2}').answer == {"a_b": 1, "ab": 2}
    assert spec.parse('{"a-b": 1}').problem == "schema_mismatch", "it may be either of the two"


@pytest.mark.parametrize(
    "reply",
    [
        '{"colour": "red", "Colour": "blue"}',
        '{"colour": "red", "label": "blue"}',
        '{"colour": "red", "colour": "blue"}',
        "{'colour': 'red', 'colour': 'blue'}",
        '{"colour": "red", "note": "x", "note": "y"}',
    ],
)
def test_a_key_with_two_values_is_a_problem(reply: str) -> None:
    assert LENIENT.parse(reply).problem == "several_answers"


def test_a_key_that_is_repeated_with_its_value_is_no_problem() -> None:
    assert LENIENT.parse('{"colour": "red", "Colour": "Red", "colour": "red"}').answer == {"colour": "red"}
    spec = spec_of({"x": {}})
    assert spec.parse('{"x": 1, "x": true}').problem == "several_answers"
