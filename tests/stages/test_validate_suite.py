"""validate: mistakes in the Great Expectations suite, and expectations about the whole table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from promptstill.answers.spec import AnswerSpec, Normalisation
from promptstill.console.errors import SeveralErrors, UserError
from stages.validate.suite import read_suite
from tests.conftest import Run
from tests.project import TEXT_SCHEMA, write
from tests.rows import sampled_row
from tests.stages.validated import filter_on, filters, validated

COLOURS = AnswerSpec(TEXT_SCHEMA, Normalisation(format="text"))
META = {"reason": "r", "action": "reject"}
IS_NULL = "expect_column_values_to_be_null"
PAIR = "expect_column_pair_values_to_be_equal"
LIKE = "expect_column_values_to_match_like_pattern"
COMPOUND = "expect_compound_columns_to_be_unique"


@pytest.mark.parametrize(
    ("expectation", "message"),
    [
        (
            {"type": "expect_column_values_to_be_inset", "kwargs": {"column": "label"}, "meta": META},
            "expect_column_values_to_be_inset (did you mean expect_column_values_to_be_in_set?)",
        ),
        (filter_on(IS_NULL, column="lable"), "no column lable (did you mean label?)"),
        ({"type": IS_NULL, "kwargs": {"column": "label"}}, "meta.reason: missing"),
        (filter_on(IS_NULL, action="drop", column="label"), "'drop' is none of reject, review"),
        ({"type": PAIR, "kwargs": {"column_A": "label", "column_B": "answer"}}, "meta.reason: missing"),
        ({"type": COMPOUND, "kwargs": {"column_list": ["label", "source"]}}, "meta.reason: missing"),
        (filter_on(PAIR, column_A="label", column_B="anwser"), "column_B: no column anwser (did you mean"),
        (filter_on(COMPOUND, column_list=["label", "sauce"]), "column_list: no column sauce (did you mean"),
        (filter_on(IS_NULL, column="problem", mostly=0.9), "kwargs.mostly: every row is judged for itself"),
        (filter_on(IS_NULL, column=["label"]), "no column ['label']"),
        ({"type": IS_NULL, "kwargs": [], "meta": "no"}, "meta: must be an object"),
        (filter_on(LIKE, column="reply", like_pattern="%a"), "in databases only"),
        (filter_on("unexpected_rows_expectation", unexpected_rows_query="x"), "in databases only"),
        (filter_on("expect_column_values_to_match_regex", column="reply"), "kwargs.regex: missing"),
        (filter_on("expect_column_pair_cramers_phi_value_to_be_less_than"), "unknown expectation"),
        (["no", "object"], "must be an object with `type`, `kwargs` and `meta`"),
    ],
)
def test_a_mistake_in_the_suite_is_an_error_before_the_library_loads(
    project: Path, expectation: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError) as raised:
        read_suite(filters(project, expectation), COLOURS)
    assert message in str(raised.value)
    assert "expectations.0" in str(raised.value)


def test_every_mistake_is_named(project: Path) -> None:
    path = filters(
        project, filter_on(IS_NULL, column="lable"), filter_on(IS_NULL, action="x", column="label")
    )
    with pytest.raises(SeveralErrors) as raised:
        read_suite(path, COLOURS)
    assert [problem.split(": ")[1] for problem in raised.value.problems] == [
        "expectations.0.kwargs.column",
        "expectations.1.meta.action",
    ]


def test_a_type_that_the_library_leaves_out_is_an_error(project: Path) -> None:
    filters(project, filter_on("expect_multicolumn_values_to_be_unique", column_list=["label", "source"]))
    with pytest.raises(UserError, match=r"expectations\.0 \(.*unique\): Great Expectations has no such type"):
        validated(project, [sampled_row(0, "red")])


def test_a_suite_without_expectations_is_an_error(project: Path) -> None:
    write(project / "expectations/colour/suite.json", '{"name": "s"}')
    with pytest.raises(UserError, match="must hold `name` and `expectations`"):
        read_suite(project / "expectations/colour/suite.json", COLOURS)


def test_an_argument_that_the_library_refuses_is_an_error(project: Path) -> None:
    filters(project, filter_on("expect_column_values_to_be_between", column="agreement", minvalue=1))
    with pytest.raises(UserError, match="Great Expectations refuses the suite") as raised:
        validated(project, [sampled_row(0, "red")])
    assert "minvalue" in str(raised.value)


@pytest.mark.parametrize(
    "expectation",
    [
        filter_on("expect_column_values_to_match_regex", column="input", regex="(unclosed"),
        filter_on("expect_column_values_to_be_between", column="label", min_value=1),
        {"type": "expect_column_mean_to_be_between", "kwargs": {"column": "label", "min_value": 1}},
    ],
)
def test_an_expectation_that_cannot_be_computed_is_one_line(
    project: Path, expectation: dict[str, Any], capfd: pytest.CaptureFixture[str]
) -> None:
    filters(project, expectation)
    with pytest.raises(UserError, match=r"expectations\.0 \(expect_\w+\): cannot be evaluated: \w"):
        validated(project, [sampled_row(0, "red")])
    assert capfd.readouterr().err == ""
    assert not (project / "data/validate/colour/rows.jsonl").exists()


@pytest.mark.parametrize(
    ("kind", "kwargs", "observed"),
    [
        ("expect_table_row_count_to_be_between", {"min_value": 5}, "2"),
        (
            "expect_column_proportion_of_unique_values_to_be_between",
            {"column": "label", "max_value": 0.4},
            "0.5",
        ),
        ("expect_column_mean_to_be_between", {"column": "agreement", "max_value": 0.5}, "1.0"),
        ("expect_table_column_count_to_equal", {"value": 3}, "17"),
    ],
)
def test_an_expectation_about_the_whole_table_stops_the_stage(
    project: Path, kind: str, kwargs: dict[str, Any], observed: str
) -> None:
    filters(project, {"type": kind, "kwargs": kwargs})
    with pytest.raises(UserError, match=rf"the whole table fails \(observed {observed}\)"):
        validated(project, [sampled_row(0, "red", "red"), sampled_row(1, "red", "red")])
    assert not (project / "data/validate/colour/rows.jsonl").exists()


def test_a_condition_limits_an_expectation_to_some_rows(project: Path) -> None:
    condition = {"row_condition": 'label == "red"', "condition_parser": "pandas"}
    filters(
        project,
        filter_on("expect_column_values_to_be_between", column="input_chars", max_value=1, **condition),
    )
    rows = validated(project, [sampled_row(0, "red"), sampled_row(1, "blue")])
    assert [row["status"] for row in rows.values()] == ["rejected", "kept"]


def test_an_unknown_expectation_is_one_line_and_exit_1(project: Path, run: Run) -> None:
    filters(project, {"type": "expect_nothing", "kwargs": {}})
    ended = run("stages.validate", "colour", cwd=project)
    assert ended.returncode == 1
    assert ended.stderr.startswith(
        "error: expectations/colour/suite.json: expectations.0.type: unknown expectation"
    )
    assert ended.stderr.count("\n") == 1
    assert "great_expectations" not in ended.stderr


def test_a_suite_that_the_library_wrote_itself_is_read(project: Path) -> None:
    path = filters(project, filter_on(IS_NULL, column="problem", mostly=1.0))
    content = json.loads(path.read_text())
    assert [item.kind for item in read_suite(path, COLOURS).filters] == [content["expectations"][0]["type"]]
