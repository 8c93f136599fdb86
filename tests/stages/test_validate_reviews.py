"""validate: a person's decisions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from promptstill.console.errors import UserError
from promptstill.rows.identity import input_hash
from tests.project import row
from tests.rows import sampled_row
from tests.stages.validated import metrics, review, reviewed, validated


def test_a_persons_decision_wins_and_survives_regeneration(project: Path) -> None:
    reviewed(
        project,
        review(1, "edit", "blue", "green"),
        review(2, "reject"),
        review(3, "reject"),
        review(3, "accept", "red", "red"),
    )
    rows = validated(
        project,
        [sampled_row(1, "green", "green"), sampled_row(2, "red", "red"), sampled_row(3, "red", "blue")],
    )
    edited = rows["row-001"]
    assert (edited["answer"], edited["status"], edited["edited"]) == ("blue", "kept", True)
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


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (review(1, "edit", "purple"), "colour.jsonl:1: answer: schema_mismatch"),
        (review(1, "accept"), "colour.jsonl:1: answer: missing"),
        (review(1, "maybe"), "colour.jsonl:1.decision: input should be"),
        ({"decision": "reject"}, "colour.jsonl:1.input_hash: missing"),
        (review(1, "accept", "red", ["red"]), "colour.jsonl:1.teacher_answer: must be an answer"),
        (review(1, "accept", "red", True), "colour.jsonl:1.teacher_answer: must be an answer"),
    ],
)
def test_a_bad_review_is_named(project: Path, line: dict[str, Any], message: str) -> None:
    reviewed(project, line)
    with pytest.raises(UserError) as raised:
        validated(project, [sampled_row(1, "red")])
    assert message in str(raised.value)


def test_a_teacher_answer_of_another_schema_or_shape_is_only_no_evidence(project: Path) -> None:
    reviewed(project, review(1, "edit", "blue", {"old": "schema"}), review(2, "edit", "blue", " RED "))
    rows = validated(project, [sampled_row(1, "red", "red"), sampled_row(2, "red", "red")])
    assert rows["row-001"]["reasons"] == ["review_contradicted"]
    assert rows["row-002"]["reasons"] == [], "the same answer, in another spelling"


def test_a_review_finds_its_row_by_id_when_the_text_has_changed(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    reviewed(
        project,
        review(1, "reject", id="row-001", input_hash=input_hash("as it was before a change of redaction")),
        review(2, "edit", "blue", "red", id="row-002", input_hash=input_hash("another old text")),
        review(3, "accept", "red", "red", id="row-003"),
    )
    rows = validated(project, [sampled_row(i, "red", "red") for i in range(1, 4)])
    assert (rows["row-001"]["status"], rows["row-001"]["reasons"]) == (
        "rejected",
        ["rejected_by_reviewer", "review_text_changed"],
    )
    assert (rows["row-002"]["answer"], rows["row-002"]["reasons"]) == ("blue", ["review_text_changed"])
    assert rows["row-003"]["reasons"] == []
    assert metrics(project)["reviews_of_changed_text"] == 2
    assert metrics(project)["reviews_unmatched"] == 0
    assert "2 found by id because the text has changed" in capsys.readouterr().out


def test_a_review_of_no_row_is_counted_and_named(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    gone = input_hash("a text that nobody sent")
    reviewed(project, review(1, "accept", "red"), review(2, "reject", input_hash=gone, id="gone"))
    validated(project, [sampled_row(1, "red", "red")])
    assert metrics(project)["reviews_unmatched"] == 1
    assert metrics(project)["reviews_unmatched_lines"] == [2]
    assert "reviews without a row: 1, data/reviews/colour.jsonl line 2" in capsys.readouterr().out


def test_a_review_whose_text_and_id_are_of_two_rows_goes_by_the_text(project: Path) -> None:
    reviewed(project, review(1, "edit", "blue", "red", id="row-002"))
    rows = validated(project, [sampled_row(2, "red", "red"), sampled_row(1, "red", "red")])
    assert (rows["row-001"]["answer"], rows["row-001"]["reasons"]) == ("blue", ["review_of_other_row"])
    assert rows["row-002"]["review"] is None
    assert metrics(project)["reviews_of_other_row"] == 1


def test_a_later_review_of_the_new_text_replaces_the_one_found_by_id(project: Path) -> None:
    old = review(1, "reject", id="row-001", input_hash=input_hash("old"))
    for lines in ([old, review(1, "accept", "red", id="row-001")], [review(1, "accept", "red"), old]):
        reviewed(project, *lines)
        rows = validated(project, [sampled_row(1, "red", "red")])
        assert (rows["row-001"]["review"], rows["row-001"]["reasons"]) == ("accept", [])
        assert metrics(project)["reviews_unmatched"] == 0


def test_a_row_is_known_by_the_ids_of_the_repeats_that_it_stands_for(project: Path) -> None:
    reviewed(project, review(1, "accept", "red", "red", id="row-777"))
    folded = sampled_row(1, "red", "red", repeats=[{**row(1), "id": "row-777"}])
    rows = validated(project, [folded])
    assert (rows["row-001"]["review"], rows["row-001"]["reasons"]) == ("accept", [])
