"""dedupe: near rows whose answers contradict each other stay, and a person is asked about them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from promptstill.near.pairs import Pair
from promptstill.rows.row import KeptRow
from stages.dedupe.__main__ import main
from stages.dedupe.conflicts import answer_conflicts, contradicted
from tests.params import dedupe_params
from tests.project import read_lines, write_lines
from tests.rows import kept_row, never

PARAMS = dedupe_params()


def pair(left: int, right: int) -> Pair:
    return Pair(left, right, 0.95, 0.8)


def triaged(number: int, colour: str, alarm: str | None, sure: float, **changes: Any) -> KeptRow:
    """A row of the JSON task."""
    answer = {"colour": colour, "sure": sure, "alarm": alarm}
    return kept_row(number, label=colour, answer=answer, confidence=sure, **changes)


def test_near_rows_with_different_labels_are_queued_for_review() -> None:
    rows = [
        kept_row(0),
        kept_row(1, label="blue", agreement=0.5),
        kept_row(2),
        kept_row(3),
        kept_row(4, label="blue"),
        kept_row(5, label="blue"),
    ]
    pairs = [pair(0, 1), Pair(3, 4, 0.9, 0.5), Pair(3, 5, 0.99, 0.9), pair(4, 5)]
    conflicts = answer_conflicts(rows, pairs, never, PARAMS)
    lines = [(line["id"], line["group"], line["conflict"]["id"]) for line in contradicted(rows, conflicts)]
    assert lines == [
        ("row-000", "row-000", "row-001"),
        ("row-001", "row-000", "row-000"),
        ("row-003", "row-003", "row-005"),
        ("row-004", "row-003", "row-003"),
        ("row-005", "row-003", "row-003"),
    ]
    rows[3] = kept_row(3, review="accept")
    assert len(answer_conflicts(rows, pairs, never, PARAMS)) == 3, "the other row may still be wrong"
    rows[4] = kept_row(4, label="blue", review="edit")
    assert [(p.left, p.right) for p in answer_conflicts(rows, pairs, never, PARAMS)] == [(0, 1), (3, 5)]


TEXT = "The lamp in the hall of our house smells of smoke since this morning{}"


@pytest.mark.parametrize(("across_labels", "kept"), [(False, [0, 1, 2]), (True, [0, 1])])
def test_a_row_never_leaves_for_a_row_with_another_value_of_a_scored_enum(
    project: Path, monkeypatch: pytest.MonkeyPatch, across_labels: bool, kept: list[int]
) -> None:
    """The stated confidence differs too, and is no conflict."""
    monkeypatch.chdir(project)
    task = "colour-json"
    rows = [
        triaged(0, "red", None, 0.9, input=TEXT.format(".")),
        triaged(1, "red", "fire", 0.9, input=TEXT.format("!")),
        triaged(2, "blue", "fire", 0.9, input=TEXT.format("...")),
        triaged(3, "red", "fire", 0.5, input=TEXT.format(""), agreement=0.5),
    ]
    write_lines(project / f"data/validate/{task}/rows.jsonl", [dict(row) for row in rows])
    monkeypatch.setattr(
        "stages.dedupe.__main__.DedupeParams.load",
        lambda task: dedupe_params(meaning=0.5, text=0.5, across_labels=across_labels),
    )
    main(task)
    folder = project / f"data/dedupe/{task}"
    stay, removed, conflicts = (
        read_lines(folder / f"{name}.jsonl") for name in ("rows", "removed", "conflicts")
    )
    assert [row["id"] for row in stay] == [rows[i]["id"] for i in kept]
    assert removed[-1]["removed_for"] == "row-001"
    assert {line["id"] for line in conflicts} == {row["id"] for row in rows}
