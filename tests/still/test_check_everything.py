"""`still check`: one mistake hides no other, and Great Expectations reads the suite too."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from promptstill.answers.spec import AnswerSpec
from promptstill.console.errors import MOST_LINES
from stages.validate.suite import read_suite
from still.check import problems_of
from still.relations import bounds
from still.rules import numbered_rules
from tests.project import write, write_lines
from tests.stages.validated import between, filter_on, filters
from tests.still.test_check import TASK, edit


def test_a_mistake_in_one_block_does_not_hide_a_name_in_another(project: Path) -> None:
    def change(section: dict[str, Any]) -> None:
        section["train"]["epochs"] = 0
        section["split"]["hard_slices"] = {"shrot": {"minimum": 1}}

    edit(project, change)
    first, second = problems_of(TASK)
    assert "train.epochs" in first
    assert "hard_slices.shrot: neither in slices.yaml nor" in second


def test_every_wrong_name_of_a_block_is_listed(project: Path) -> None:
    def change(section: dict[str, Any]) -> None:
        section["split"]["hard_slices"] = {"lnog": {"minimum": 1}, "shrot": {"minimum": 1}}
        section["dedupe"]["slice_minimum"] = {"email_rows": 1, "forms": 2, "injection": 3}

    edit(project, change)
    name = r"(?:hard_slices\.|slice_minimum: )(\w+): "
    names = [re.findall(name, line) for line in problems_of(TASK)]
    assert names == [["lnog"], ["shrot"], ["forms"], ["injection"]]


def test_rules_that_the_prompt_does_not_have_are_listed(project: Path) -> None:
    slices = project / f"expectations/{TASK}/slices.yaml"
    write(slices, "slices:\n  - {name: email_rows, source: [email], rules: [1, 2, 3, 7]}\n")
    write(
        project / f"prompts/{TASK}/teacher.md",
        "Name a colour.\n1. First.\n2. Second,\n   on two lines.\n3) Third.\n3. Third again.\n{input}\n",
    )
    unknown = [re.findall(r"has no rule (\d+)", line) for line in problems_of(TASK)]
    assert unknown == [["3"], ["7"]]
    assert numbered_rules((project / f"prompts/{TASK}/teacher.md").read_text()) == {
        1: "First.",
        2: "Second, on two lines.",
    }


def test_every_bad_line_of_a_file_is_named(project: Path) -> None:
    golden = [{"id": f"g{i}", "input": f"text {i}", "answer": "pink"} for i in range(MOST_LINES + 5)]
    write_lines(project / "golden/colour.jsonl", golden)
    write_lines(project / "data/reviews/colour.jsonl", [{"decision": "accept"}, {"decision": "reject"}])
    write_lines(project / "data/pinned/colour.jsonl", [{"id": "a"}, {"id": "b", "split": "train"}, {"id": 1}])
    recorded = {"key": "k", "response": "red", "model": "m", "recorded_at": "2026"}
    write_lines(project / "data/recorded/colour.jsonl", [recorded, {"key": "a"}, recorded, {"response": 1}])
    lines = re.findall(r"(?m)^[\w/]+\.jsonl:\d+", "\n".join(problems_of("colour")))
    assert lines == [
        *(f"golden/colour.jsonl:{number}" for number in range(1, MOST_LINES + 1)),
        "data/reviews/colour.jsonl:1",
        "data/reviews/colour.jsonl:2",
        "data/pinned/colour.jsonl:1",
        "data/pinned/colour.jsonl:3",
        "data/recorded/colour.jsonl:2",
        "data/recorded/colour.jsonl:4",
    ]


@pytest.mark.parametrize(
    ("kwargs", "problem"),
    [
        ({"regex": "["}, "cannot be evaluated: "),
        ({"regex": "a", "regx": "b"}, "Great Expectations refuses the suite: "),
    ],
)
def test_what_the_library_cannot_do_is_found(project: Path, kwargs: dict[str, Any], problem: str) -> None:
    kind = "expect_column_values_to_match_regex"
    filters(
        project,
        filter_on(kind, column="reply", **kwargs),
        filter_on(kind, column="reply", regex="a"),
        filter_on(kind, column="input", **kwargs),
    )
    first, second = problems_of("colour")
    assert f"expectations.0 ({kind}): {problem}" in first
    assert f"expectations.2 ({kind}): {problem}" in second


def test_an_expectation_about_the_table_is_not_judged_by_the_made_up_row(project: Path) -> None:
    filters(project, {"type": "expect_table_row_count_to_be_between", "kwargs": {"min_value": 500}})
    assert problems_of("colour") == []
    filters(project, {"type": "expect_column_mean_to_be_between", "kwargs": {"column": "label"}})
    (line,) = problems_of("colour")
    assert "expectations.0" in line


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({"min_value": 3, "max_value": 9}, (3, 9)),
        ({"min_value": 3, "max_value": 9, "strict_min": True, "strict_max": True}, (4, 8)),
        ({"min_value": 2.5, "max_value": 8.5, "strict_min": True, "strict_max": True}, (3, 8)),
        ({"min_value": "5"}, (5, float("inf"))),
        ({"min_value": 3, "row_condition": 'source == "chat"', "condition_parser": "pandas"},
         (0, float("inf"))),
    ],
)  # fmt: skip
def test_the_bounds_of_a_column_of_counts(
    project: Path, limits: dict[str, Any], expected: tuple[float, float]
) -> None:
    whole_table = {"type": "expect_table_row_count_to_be_between", "kwargs": None}
    suite = read_suite(
        filters(project, whole_table, between("input_chars", **limits)), AnswerSpec.load("colour")
    )
    assert bounds(suite, "input_chars") == expected


def test_arguments_that_are_null_are_no_traceback(project: Path) -> None:
    entry = {"type": "expect_table_row_count_to_be_between", "kwargs": None}
    write(project / "expectations/colour/suite.json", json.dumps({"name": "s", "expectations": [entry]}))
    assert all("suite.json: expectations.0" in line for line in problems_of("colour"))
