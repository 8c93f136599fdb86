"""The queue of the page: what the stage ranked, and what the last evaluation adds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from promptstill.answers.spec import AnswerSpec
from promptstill.core.files import write_rows
from still.review.queue import SURE, queue_hash, queue_of
from tests.project import row
from tests.rows import kept_row
from tests.still.review.served import entry, write_queue


def by_chance(number: int) -> dict[str, Any]:
    return entry(number, reasons=["chance"], risk=0.01, problem=["chance", f"slice {number}"])


def prediction(number: int, student: str | None, **changes: Any) -> dict[str, Any]:
    """The student's answer to a row of test whose kept answer is red."""
    case = {
        "set": "test",
        "id": f"row-{number:03}",
        "answer": json.dumps("red"),
        "student": json.dumps(student),
        "student_confidence": SURE,
    }
    return case | changes


def test_a_sure_student_that_disagrees_is_a_reason(project: Path) -> None:
    spec = AnswerSpec.load("colour")
    write_queue(project, [entry(0), by_chance(1), entry(2), by_chance(3), by_chance(4)])
    write_rows(project / "data/validate/colour/rows.jsonl", [kept_row(i) for i in range(12)])
    stage = [of["id"] for of in queue_of("colour", spec)]
    assert stage == [f"row-{i:03}" for i in range(5)], "without an evaluation it is that of the stage"

    before = queue_hash("colour")
    cases = [
        prediction(2, "blue"),
        prediction(4, "blue"),
        prediction(6, "blue"),
        prediction(7, "blue", student_confidence=SURE - 0.01),
        prediction(8, "red"),
        prediction(9, None),
        prediction(10, "blue", set="golden"),
    ]
    write_rows(project / "data/eval/colour/rows.jsonl", cases)
    assert queue_hash("colour") != before, "the page makes its index anew"
    queue = queue_of("colour", spec)
    reasons = {of["id"]: of["reasons"] for of in queue}
    assert {name for name, given in reasons.items() if "student_disagrees" in given} == {
        "row-002",
        "row-004",
        "row-006",
    }
    assert reasons["row-006"] == ["student_disagrees"]
    assert set(reasons) == {*stage, "row-006"}
    new = next(of for of in queue if of["id"] == "row-006")
    assert (new["input"], new["answer"]) == (row(6)["input"], "red")
    # Rows that are there by chance alone have no risk: they take their turns and what is left.
    assert [of["id"] for of in queue if of["reasons"] == ["chance"]] == ["row-001", "row-003"]
    assert queue[0]["id"] == "row-002", "two reasons are more than one"
    assert [of["id"] for of in queue][-1] == "row-003"


def test_a_decided_row_is_not_put_back_by_the_student(project: Path) -> None:
    write_queue(project, [entry(0)])
    rows = [kept_row(0), kept_row(1) | {"review": "accept"}]
    write_rows(project / "data/validate/colour/rows.jsonl", rows)
    write_rows(project / "data/eval/colour/rows.jsonl", [prediction(1, "blue")])
    assert [of["id"] for of in queue_of("colour", AnswerSpec.load("colour"))] == ["row-000"]
