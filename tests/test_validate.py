from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.shared.answers import AnswerSpec, Normalisation
from stages.shared.consensus import decide
from stages.shared.errors import UserError
from stages.shared.text import input_hash
from stages.validate import __main__ as validate
from stages.validate.suite import failures, frame, read_suite
from tests.conftest import Run
from tests.project import TEXT_SCHEMA, read_lines, row, write, write_lines

TEACHER = {"model": "m", "prompt_hash": "p"}
SPEC = AnswerSpec(TEXT_SCHEMA, Normalisation(format="text"))


def generated(number: int, *replies: str, **changes: Any) -> dict[str, Any]:
    samples = [{"sample": i, "response": reply, "finish_reason": "stop"} for i, reply in enumerate(replies)]
    return row(number, **changes) | {
        "samples": samples,
        "teacher": TEACHER,
        "slices": [],
        "tags": [],
        "repeats": [],
    }


def validated(project: Path, rows: list[dict[str, Any]], task: str = "colour") -> dict[str, dict[str, Any]]:
    write_lines(project / f"data/generate/{task}/rows.jsonl", rows)
    write(project / f"metrics/{task}/generate.json", json.dumps({"cost_usd": None}))
    validate.main(task)
    return {one["id"]: one for one in read_lines(project / f"data/validate/{task}/rows.jsonl")}


def metrics(project: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((project / "metrics/colour/validate.json").read_text())
    return found


def test_kept_rejected_and_reviewed_rows_with_all_their_reasons(project: Path) -> None:
    rows = validated(
        project,
        [
            generated(0, "red", "red"),
            generated(1, "green", "blue"),
            generated(2, "who knows", "no idea"),
            generated(3, "red", "purple"),
            generated(4, "red", "blue", input="x" * 201),
        ],
    )
    status = {name: (one["status"], one["reasons"]) for name, one in rows.items()}
    assert status == {
        "row-000": ("kept", []),
        "row-001": ("review", ["samples_disagree"]),
        "row-002": ("rejected", ["invalid_answer", "samples_disagree"]),
        "row-003": ("review", ["samples_disagree"]),
        "row-004": ("rejected", ["input_length", "samples_disagree"]),
    }
    assert rows["row-003"]["answer"] == "red"
    assert rows["row-002"]["problem"] == "schema_mismatch"
    found = metrics(project)
    assert (found["input"], found["kept"], found["rejected"], found["review"]) == (5, 1, 2, 2)
    assert found["reasons"] == {"input_length": 1, "invalid_answer": 1}
    queue = read_lines(project / "data/validate/colour/review_queue.jsonl")
    assert [one["id"] for one in queue] == ["row-001", "row-003"]
    assert queue[0]["replies"] == ["green", "blue"]
    assert queue[0]["input_hash"] == input_hash(row(1)["input"])


def review(number: int, decision: str, answer: Any = None, teacher_answer: Any = None) -> dict[str, Any]:
    return {
        "input_hash": input_hash(row(number)["input"]),
        "decision": decision,
        "answer": answer,
        "teacher_answer": teacher_answer,
        "reviewer": "ann",
        "at": "2026-04-01T00:00:00Z",
    }


def test_a_persons_decision_wins_and_survives_regeneration(project: Path) -> None:
    write_lines(
        project / "data/reviews/colour.jsonl",
        [
            review(1, "edit", "blue", "green"),
            review(2, "reject"),
            review(3, "reject"),
            review(3, "accept", "red", "red"),
        ],
    )
    rows = validated(
        project, [generated(1, "green", "green"), generated(2, "red", "red"), generated(3, "red", "blue")]
    )
    assert (rows["row-001"]["answer"], rows["row-001"]["status"], rows["row-001"]["edited"]) == (
        "blue",
        "kept",
        True,
    )
    assert (rows["row-002"]["status"], rows["row-002"]["reasons"]) == ("rejected", ["rejected_by_reviewer"])
    assert (rows["row-003"]["status"], rows["row-003"]["edited"]) == ("kept", False), (
        "the last decision counts"
    )
    assert metrics(project)["reviews_contradicted"] == 0

    # A new teacher says something that neither the person nor the teacher of that day said.
    rows = validated(
        project, [generated(1, "red", "red"), generated(2, "red", "red"), generated(3, "red", "red")]
    )
    assert (rows["row-001"]["answer"], rows["row-001"]["status"]) == ("blue", "kept")
    assert rows["row-001"]["reasons"] == ["review_contradicted"]
    assert metrics(project)["reviews_contradicted"] == 1
    assert [one["id"] for one in read_lines(project / "data/validate/colour/review_queue.jsonl")] == [
        "row-001"
    ]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (review(1, "edit", "purple"), "colour.jsonl:1: answer: schema_mismatch"),
        (review(1, "accept"), "colour.jsonl:1: answer: missing"),
        (review(1, "maybe"), "colour.jsonl:1.decision: input should be"),
        ({"decision": "reject"}, "colour.jsonl:1.input_hash: missing"),
    ],
)
def test_a_bad_review_is_named(project: Path, line: dict[str, Any], message: str) -> None:
    write_lines(project / "data/reviews/colour.jsonl", [line])
    with pytest.raises(UserError) as told:
        validated(project, [generated(1, "red")])
    assert message in str(told.value)


@pytest.mark.parametrize(
    ("replies", "answer", "agreement"),
    [
        (["red", "red"], "red", 1.0),
        (["red", "blue"], "red", 0.5),
        (["blue", "red", "red"], "red", 0.6667),
        (["nonsense", "red"], "red", 0.5),
        (["nonsense", "none"], None, 0.0),
    ],
)
def test_consensus(project: Path, replies: list[str], answer: str | None, agreement: float) -> None:
    decided = decide(generated(0, *replies), AnswerSpec.load("colour"))
    assert (decided["answer"], decided["agreement"]) == (answer, agreement)


@given(replies=st.lists(st.sampled_from(["red", "green", "blue", "?"]), min_size=1, max_size=6))
def test_the_answer_is_one_of_the_samples_and_none_has_more_votes(replies: list[str]) -> None:
    decided = decide(generated(0, *replies), SPEC)
    if set(replies) == {"?"}:
        assert decided["answer"] is None
    else:
        assert decided["answer"] in replies
        assert all(
            replies.count(decided["answer"]) >= replies.count(other) for other in replies if other != "?"
        )
        assert decided["agreement"] == round(replies.count(decided["answer"]) / len(replies), 4)


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
def test_a_mistake_in_the_suite_is_told_before_the_library_loads(
    project: Path, suite: str, message: str
) -> None:
    write(project / "expectations/colour/suite.json", suite)
    with pytest.raises(UserError) as told:
        read_suite(project / "expectations/colour/suite.json")
    assert message in str(told.value)


def test_an_argument_that_the_library_refuses_is_told(project: Path) -> None:
    suite = {"type": "expect_column_values_to_be_between", "kwargs": {"column": "agreement", "minvalue": 1}}
    write(project / "expectations/colour/suite.json", suite_with(suite | {"meta": META}))
    with pytest.raises(UserError, match="Great Expectations refuses the suite") as told:
        validated(project, [generated(0, "red")])
    assert "minvalue" in str(told.value)


def test_an_expectation_about_the_whole_table_stops_the_stage(project: Path) -> None:
    suite = {"type": "expect_table_row_count_to_be_between", "kwargs": {"min_value": 5}}
    write(project / "expectations/colour/suite.json", suite_with(suite))
    with pytest.raises(UserError, match=r"the whole table fails .* observed 1"):
        validated(project, [generated(0, "red")])


def test_more_failing_rows_than_the_library_lists_by_value(project: Path) -> None:
    rows = [decide(generated(i % 40, "red"), SPEC) for i in range(500)]
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
