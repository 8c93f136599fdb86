"""validate: columns that come from the schema of the answers and from what a task declares."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pandas as pd
import pytest

from promptstill.answers.consensus import decide
from promptstill.answers.spec import AnswerSpec, Normalisation
from promptstill.console.errors import UserError
from promptstill.core.files import compact_json
from promptstill.rows.row import AnsweredRow
from stages.validate.columns import COLUMNS, columns_of, frame
from stages.validate.suite import read_suite
from tests.project import TEXT_SCHEMA, write
from tests.promptstill.answers.grounded import INPUT, QUESTION, RULES, SCHEMA, SPEC
from tests.promptstill.answers.tasks import spec_of, write_task
from tests.rows import sampled_row
from tests.stages.validated import between, filter_on, filters, validated

IS_NULL = "expect_column_values_to_be_null"
PROPERTIES = {
    "colour": {"enum": ["red", "blue"]},
    "size": {"type": ["integer", "null"]},
    "urgent": {"type": "boolean"},
    "parts": {"type": "array", "items": {"type": "string"}},
    "more": {"type": "object"},
    "note": {"type": "string"},
}
MIXED = spec_of(PROPERTIES, "size", "parts", "more")


def answered(reply: Any, spec: AnswerSpec, **changes: Any) -> AnsweredRow:
    row = sampled_row(0, compact_json(reply), **changes)
    return cast(AnsweredRow, {**row, **decide(row["samples"], spec), "review": None, "edited": False})


def values(row: AnsweredRow, spec: AnswerSpec, *names: str) -> list[Any]:
    table = frame([row], columns_of(spec), spec, names)
    return [None if pd.isna(value) else value for value in table.iloc[0]]


def test_every_property_has_a_column_of_its_type() -> None:
    own = {name: column.kind for name, column in columns_of(MIXED).items() if name not in COLUMNS}
    assert own == {
        "answer.colour": "str",
        "answer.size": "float64",
        "answer.urgent": "str",
        "answer.parts.count": "float64",
        "answer.more": "str",
        "answer.note": "str",
        "words": "float64",
        "sentences": "float64",
    }


def test_the_values_of_properties() -> None:
    full = {"colour": "red", "size": 3, "urgent": True, "parts": ["a", "b"], "more": {"b": 1}, "note": "x"}
    names = [name for name in columns_of(MIXED) if name.startswith("answer.")]
    assert values(answered(full, MIXED), MIXED, *names) == ["red", 3, "true", 2, '{"b":1}', "x"]
    least = {"colour": "red", "size": None, "urgent": False, "note": ""}
    assert values(answered(least, MIXED), MIXED, *names) == ["red", None, "false", None, None, ""]
    assert values(answered("no answer", MIXED), MIXED, *names) == [None] * 6


def test_the_columns_of_citations() -> None:
    names = ("answer.citations.count", "citations_unknown", "unsupported", "words", "sentences")
    reply = {"answer": "It opens at 9:00. It costs 7 euros.", "citations": [1, 4]}
    row = answered(reply, SPEC, input=INPUT + QUESTION)
    assert values(row, SPEC, *names) == [2, 1, 2, 8, 2]
    assert values(answered("none", SPEC), SPEC, *names) == [None] * 5


def test_an_exchange_is_the_input_and_the_answer() -> None:
    text = AnswerSpec(TEXT_SCHEMA, Normalisation(format="text"))
    assert set(columns_of(text)) == set(COLUMNS)
    row = sampled_row(0, "red", input="Is it red?")
    answer = cast(AnsweredRow, {**row, **decide(row["samples"], text), "review": None, "edited": False})
    assert values(answer, text, "exchange") == ["Is it red?\nred"]


def test_only_named_columns_are_computed(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: Any) -> int:
        raise AssertionError("computed")

    monkeypatch.setattr("stages.validate.columns.unsupported_facts", never)
    write_task(project, SCHEMA, RULES)
    condition = {"type": "comparison", "column": {"name": "label"}, "operator": "==", "parameter": "answered"}
    filters(
        project,
        between("answer.citations.count", "few", min_value=2, row_condition=condition),
        between("answer.citations.count", "odd", min_value=2, row_condition='label == "answered"'),
        {"type": "expect_table_column_count_to_equal", "kwargs": {"value": len(COLUMNS)}},
    )
    replies = ['{"answer": "Yes.", "citations": [1]}', '{"answer": "Yes.", "citations": [1, 2]}']
    rows = validated(project, [sampled_row(number, reply) for number, reply in enumerate(replies)])
    assert [row["reasons"] for row in rows.values()] == [["few", "odd"], []]


def test_a_column_with_a_dot_in_its_name_can_be_a_condition(project: Path) -> None:
    write_task(project, SCHEMA, RULES)
    both = {
        "type": "and",
        "conditions": [
            {
                "type": "comparison",
                "column": {"name": "answer.citations.count"},
                "operator": ">",
                "parameter": 1,
            },
            {"type": "nullity", "column": {"name": "words"}, "is_null": False},
        ],
    }
    filters(project, between("words", "short", min_value=2, row_condition=both))
    replies = ['{"answer": "Yes.", "citations": [1]}', '{"answer": "Yes.", "citations": [1, 2]}']
    rows = validated(project, [sampled_row(number, reply) for number, reply in enumerate(replies)])
    assert [row["reasons"] for row in rows.values()] == [[], ["short"]]


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ("answer.citation.count", "no column answer.citation.count (did you mean answer.citations.count?)"),
        ("answer.citations", "no column answer.citations (did you mean answer.citations.count?)"),
        ("citations_unkown", "no column citations_unkown (did you mean citations_unknown?)"),
        (
            {"type": "nullity", "column": {"name": "wrods"}, "is_null": True},
            "kwargs.row_condition: no column wrods (did you mean words?)",
        ),
        (
            {"type": "or", "conditions": [{"type": "nullity", "column": {"nam": "words"}, "is_null": True}]},
            "kwargs.row_condition: no column None",
        ),
    ],
)
def test_a_misspelt_column_is_one_line(project: Path, column: Any, message: str) -> None:
    condition = {"column": "label", "row_condition": column}
    kwargs = {"column": column} if isinstance(column, str) else condition
    with pytest.raises(UserError) as raised:
        read_suite(filters(project, filter_on(IS_NULL, **kwargs)), SPEC)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_columns_of_citations_need_a_declaration(project: Path) -> None:
    rules = {key: value for key, value in RULES.items() if key != "citations"}
    spec = AnswerSpec(SCHEMA, Normalisation.check(rules, "here"))
    with pytest.raises(UserError, match="no column unsupported"):
        read_suite(filters(project, filter_on(IS_NULL, column="unsupported")), spec)


def test_texts_of_other_people_are_not_shown(project: Path) -> None:
    write_task(project, SCHEMA, RULES)
    write(project / "expectations/colour/suite.json", '{"name": "s", "expectations": []}')
    filters(project, between("words", max_value=1), filter_on(IS_NULL, column="answer.answer"))
    with pytest.raises(UserError, match=r"observed words 2 to 2;") as raised:
        validated(project, [sampled_row(0, '{"answer": "secret text", "citations": []}')])
    assert "secret" not in str(raised.value)
