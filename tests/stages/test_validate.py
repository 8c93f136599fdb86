"""validate: status, reasons and reviews."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from promptstill.console.errors import UserError
from promptstill.rows.identity import input_hash
from tests.project import read_lines, row, write, write_lines
from tests.rows import sampled_row
from tests.stages.validated import validated


def metrics(project: Path) -> dict[str, Any]:
    """The metrics of the stage."""
    content: dict[str, Any] = json.loads((project / "metrics/colour/validate.json").read_text())
    return content


def test_kept_rejected_and_reviewed_rows_with_all_their_reasons(project: Path) -> None:
    rows = validated(
        project,
        [
            sampled_row(0, "red", "red"),
            sampled_row(1, "green", "blue"),
            sampled_row(2, "who knows", "no idea"),
            sampled_row(3, "red", "purple"),
            sampled_row(4, "red", "blue", input="x" * 201),
        ],
    )
    status = {name: (row["status"], row["reasons"]) for name, row in rows.items()}
    assert status == {
        "row-000": ("kept", []),
        "row-001": ("review", ["samples_disagree"]),
        "row-002": ("rejected", ["invalid_answer", "samples_disagree"]),
        "row-003": ("review", ["samples_disagree"]),
        "row-004": ("rejected", ["input_length", "samples_disagree"]),
    }
    assert rows["row-003"]["answer"] == "red"
    assert rows["row-002"]["problem"] == "schema_mismatch"
    counts = metrics(project)
    assert (counts["input"], counts["kept"], counts["rejected"], counts["review"]) == (5, 1, 2, 2)
    assert counts["reasons"] == {"input_length": 1, "invalid_answer": 1}
    queue = read_lines(project / "data/validate/colour/review_queue.jsonl")
    assert [entry["id"] for entry in queue] == ["row-001", "row-003"]
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
        project,
        [sampled_row(1, "green", "green"), sampled_row(2, "red", "red"), sampled_row(3, "red", "blue")],
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
        project, [sampled_row(1, "red", "red"), sampled_row(2, "red", "red"), sampled_row(3, "red", "red")]
    )
    assert (rows["row-001"]["answer"], rows["row-001"]["status"]) == ("blue", "kept")
    assert rows["row-001"]["reasons"] == ["review_contradicted"]
    assert metrics(project)["reviews_contradicted"] == 1
    assert [entry["id"] for entry in read_lines(project / "data/validate/colour/review_queue.jsonl")] == [
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
    with pytest.raises(UserError) as raised:
        validated(project, [sampled_row(1, "red")])
    assert message in str(raised.value)


def test_a_row_without_an_answer_is_rejected_whatever_the_suite_says(project: Path) -> None:
    write(project / "expectations/colour/suite.json", json.dumps({"name": "s", "expectations": []}))
    rows = validated(project, [sampled_row(0, "red"), sampled_row(1, "no idea")])
    assert rows["row-000"]["status"] == "kept"
    assert (rows["row-001"]["status"], rows["row-001"]["reasons"]) == ("rejected", ["no_answer"])
