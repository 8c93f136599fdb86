"""validate: the Great Expectations suite."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from promptstill.answers.spec import AnswerSpec, Normalisation
from promptstill.console.errors import UserError
from stages.validate.answered import answered
from stages.validate.suite import failures, frame, read_suite
from tests.conftest import Run
from tests.project import TEXT_SCHEMA, write
from tests.rows import sampled_row
from tests.stages.validated import validated

SPEC = AnswerSpec(TEXT_SCHEMA, Normalisation(format="text"))


def suite_with(*expectations: dict[str, Any]) -> str:
    return json.dumps({"name": "s", "expectations": list(expectations)})


META = {"reason": "r", "action": "reject"}


@pytest.mark.parametrize(
    ("suite", "message"),
    [
        (
            suite_with(
                {"type": "expect_column_values_to_be_inset", "kwargs": {"column": "label"}, "meta": META}
            ),
            "expect_column_values_to_be_inset (did you mean expect_column_values_to_be_in_set?)",
        ),
        (
            suite_with(
                {"type": "expect_column_values_to_be_null", "kwargs": {"column": "lable"}, "meta": META}
            ),
            "no column lable (did you mean label?)",
        ),
        (
            suite_with({"type": "expect_column_values_to_be_null", "kwargs": {"column": "label"}}),
            "meta.reason: missing",
        ),
        (
            suite_with(
                {
                    "type": "expect_column_values_to_be_null",
                    "kwargs": {"column": "label"},
                    "meta": {"reason": "r", "action": "drop"},
                }
            ),
            "'drop' is none of reject, review",
        ),
        ('{"name": "s"}', "must hold `name` and `expectations`"),
    ],
)
def test_a_mistake_in_the_suite_is_an_error_before_the_library_loads(
    project: Path, suite: str, message: str
) -> None:
    write(project / "expectations/colour/suite.json", suite)
    with pytest.raises(UserError) as raised:
        read_suite(project / "expectations/colour/suite.json")
    assert message in str(raised.value)


def test_an_argument_that_the_library_refuses_is_an_error(project: Path) -> None:
    suite = {"type": "expect_column_values_to_be_between", "kwargs": {"column": "agreement", "minvalue": 1}}
    write(project / "expectations/colour/suite.json", suite_with(suite | {"meta": META}))
    with pytest.raises(UserError, match="Great Expectations refuses the suite") as raised:
        validated(project, [sampled_row(0, "red")])
    assert "minvalue" in str(raised.value)


def test_an_expectation_about_the_whole_table_stops_the_stage(project: Path) -> None:
    suite = {"type": "expect_table_row_count_to_be_between", "kwargs": {"min_value": 5}}
    write(project / "expectations/colour/suite.json", suite_with(suite))
    with pytest.raises(UserError, match=r"the whole table fails .* observed 1"):
        validated(project, [sampled_row(0, "red")])


def test_more_failing_rows_than_the_library_lists_by_value(project: Path) -> None:
    rows = [answered(sampled_row(i % 40, "red"), {}, SPEC)[0] for i in range(500)]
    limit = {
        "type": "expect_column_values_to_be_between",
        "kwargs": {"column": "input_chars", "max_value": 1},
        "meta": {"reason": "input_length", "action": "reject"},
    }
    suite = {"name": "s", "expectations": [limit]}
    failed = failures(frame(rows, SPEC), suite, Path("suite.json"))
    assert failed == [[("input_length", "reject")]] * 500


def test_an_unknown_expectation_is_one_line_and_exit_1(project: Path, run: Run) -> None:
    suite = {"type": "expect_nothing", "kwargs": {}}
    write(project / "expectations/colour/suite.json", suite_with(suite))
    ended = run("stages.validate", "colour", cwd=project)
    assert ended.returncode == 1
    assert ended.stderr.startswith(
        "error: expectations/colour/suite.json: expectations.0.type: unknown expectation"
    )
    assert ended.stderr.count("\n") == 1
    assert "great_expectations" not in ended.stderr
