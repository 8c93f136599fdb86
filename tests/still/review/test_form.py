"""The form of an answer: fields of every kind, and what was typed into them."""

from __future__ import annotations

from typing import Any

import pytest

from promptstill.answers.spec import AnswerSpec
from promptstill.console.errors import UserError
from still.review.form import answer_of, fields_of, is_changed, labels_of, with_label
from tests.cited import REFUSED, cited
from tests.cited import SPEC as CITING
from tests.promptstill.answers.tasks import spec_of

GRADES = spec_of(
    {
        "grade": {"type": "integer", "enum": [1, 2, 3]},
        "share": {"type": ["number", "null"]},
        "tags": {"type": "array", "items": {"type": "string"}},
        "comment": {"type": "string"},
    },
    "comment",
)
ANSWER = {"grade": 2, "share": 0.5, "tags": ["a"], "comment": "ok\nyes"}


def typed(answer: Any, spec: AnswerSpec, **changed: str) -> dict[str, str]:
    """What a browser sends of a form: all fields, with its own ends of lines."""
    fields = {f"field:{of.key}": of.value.replace("\n", "\r\n") for of in fields_of(answer, spec)}
    return fields | {f"field:{key}": value for key, value in changed.items()}


@pytest.mark.parametrize(
    ("answer", "spec"), [(ANSWER, GRADES), (cited("Open at 9.", 1, 3), CITING), (REFUSED, CITING)]
)
def test_a_form_that_nobody_has_changed_gives_the_answer(answer: Any, spec: AnswerSpec) -> None:
    form = typed(answer, spec)
    assert not is_changed(form, answer, spec)
    assert answer_of(form, answer, spec) == answer


@pytest.mark.parametrize(
    ("changed", "wanted"),
    [
        ({"grade": "3"}, {"grade": 3}),
        ({"share": ""}, {"share": None}),
        ({"share": "0.25"}, {"share": 0.25}),
        ({"tags": '["b", "c"]'}, {"tags": ["b", "c"]}),
        ({"comment": "no\r\nnever"}, {"comment": "no\nnever"}),
    ],
)
def test_values_keep_the_types_of_the_schema(changed: dict[str, str], wanted: dict[str, Any]) -> None:
    form = typed(ANSWER, GRADES, **changed)
    assert is_changed(form, ANSWER, GRADES)
    assert answer_of(form, ANSWER, GRADES) == {**ANSWER, **wanted}


def test_an_optional_value_can_be_left_out() -> None:
    answer = answer_of(typed(ANSWER, GRADES, comment=""), ANSWER, GRADES)
    assert answer == {key: value for key, value in ANSWER.items() if key != "comment"}


@pytest.mark.parametrize("changed", [{"grade": "4"}, {"share": "much"}, {"tags": "[1"}, {"tags": "[1]"}])
def test_what_is_no_answer_is_refused(changed: dict[str, str]) -> None:
    with pytest.raises(UserError, match="not saved"):
        answer_of(typed(ANSWER, GRADES, **changed), ANSWER, GRADES)


def test_numbers_of_passages_are_typed_as_a_list() -> None:
    answer = cited("Open at 9.", 1, 3)
    assert {of.key: (of.kind, of.value) for of in fields_of(answer, CITING)}["cites"] == ("numbers", "1, 3")
    assert answer_of(typed(answer, CITING, cites="2,4"), answer, CITING) == cited("Open at 9.", 2, 4)
    with pytest.raises(UserError, match="cites: 'two' cannot be read"):
        answer_of(typed(answer, CITING, cites="two"), answer, CITING)


def test_labels_that_are_numbers_and_labels_of_a_rule() -> None:
    assert labels_of(GRADES) == ("1", "2", "3")
    assert with_label(ANSWER, "3", GRADES) == {**ANSWER, "grade": 3}
    assert labels_of(CITING) == ("refused",), "what was answered says nothing of the answer"
    assert with_label(cited("Open at 9.", 1), "refused", CITING) == REFUSED
    with pytest.raises(UserError, match="'4' is not a label"):
        with_label(ANSWER, "4", GRADES)
    with pytest.raises(UserError, match="fill in the form"):
        with_label(None, "3", GRADES)
