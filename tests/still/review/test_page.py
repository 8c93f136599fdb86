"""still review: what the page shows, and what it appends."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.project import write
from tests.stages.validated import validated
from tests.still.review.served import Reviewer, action, decisions, entry, served, shown_row, write_queue


def test_decisions_are_lines_with_all_that_they_need(queue: Path) -> None:
    with served() as address:
        ada = Reviewer(address)
        assert shown_row(ada.get()) == "row-000"
        answer = ada.decide(0, note=" looks right ")
        assert shown_row(answer.text) == "row-001"
        assert ada.decide(1, "label", choice="blue").status_code == 200
        assert ada.decide(2, "edit", **{"field:": "green"}).status_code == 200
        assert ada.decide(3, "reject").status_code == 200
        assert ada.decide(4, "label", choice="red").status_code == 200
    made = decisions(queue)
    assert [(of["id"], of["decision"], of.get("answer")) for of in made] == [
        ("row-000", "accept", "red"),
        ("row-001", "edit", "blue"),
        ("row-002", "edit", "green"),
        ("row-003", "reject", None),
        ("row-004", "accept", "red"),
    ]
    assert made[0]["note"] == "looks right"
    assert all(of["reviewer"] == "Ada" and of["teacher_answer"] == "red" for of in made)
    assert made[0]["reasons"] == ["samples_disagree"]
    assert "blind" not in made[0]


def test_an_answer_that_breaks_the_schema_is_not_saved(project: Path) -> None:
    answer = {"colour": "red", "sure": 0.9, "alarm": None}
    replies = [json.dumps(answer), json.dumps({**answer, "colour": "blue"})]
    write_queue(project, [entry(0, answer=answer, replies=replies)], "colour-json")
    with served("colour-json") as address:
        ada = Reviewer(address)
        fields = {"field:colour": "red", "field:sure": "0.7", "field:alarm": "null", "shown": answer}
        answer_to = ada.decide(0, "edit", **fields)
        assert answer_to.status_code == 422
        assert "schema_mismatch" in answer_to.text
        assert shown_row(answer_to.text) == "row-000"
        assert decisions(project, "colour-json") == []
        fields |= {"field:colour": "green", "field:sure": "0.5"}
        assert ada.decide(0, "edit", **fields).status_code == 200
        fields |= {"field:sure": "much", "shown": {**answer, "colour": "green", "sure": 0.5}}
        assert ada.decide(0, "edit", seen=1, **fields).status_code == 422
    (made,) = decisions(project, "colour-json")
    assert made["answer"] == {"colour": "green", "sure": 0.5, "alarm": None}


def test_what_was_typed_is_not_dropped_by_another_decision(project: Path) -> None:
    answer = {"colour": "red", "sure": 0.9, "alarm": None}
    replies = [json.dumps(answer), json.dumps({**answer, "colour": "blue"})]
    write_queue(project, [entry(0, answer=answer, replies=replies)], "colour-json")
    fields = {"field:colour": "red", "field:sure": "0.5", "field:alarm": "null", "shown": answer}
    with served("colour-json") as address:
        ada = Reviewer(address)
        for act in ("accept", "label"):
            refused = ada.decide(0, act, choice="blue", **fields)
            assert refused.status_code == 422
            assert "the form has another answer" in refused.text
            assert '<fieldset id="edit">' in refused.text
            assert '<option value="0.5" selected>' in refused.text
        assert decisions(project, "colour-json") == []
        fields["field:sure"] = "0.9"
        assert ada.decide(0, "label", choice="blue", **fields).status_code == 200


def test_a_label_keeps_the_other_values(project: Path) -> None:
    answer = {"colour": "red", "sure": 0.9, "alarm": "fire"}
    write_queue(project, [entry(0, answer=answer, replies=[json.dumps(answer)] * 2)], "colour-json")
    with served("colour-json") as address:
        assert Reviewer(address).decide(0, "label", choice="blue", shown=answer).status_code == 200
    assert decisions(project, "colour-json")[0]["answer"] == {"colour": "blue", "sure": 0.9, "alarm": "fire"}


def restored(rows: list[dict[str, Any]], side: str) -> str:
    """What the browser sends to restore the rows of an act as they were before or after it."""
    return json.dumps([{"hash": of["hash"], "line": of["line"], "restore": of[side]} for of in rows])


def test_undo_takes_back_and_redo_decides_again(queue: Path) -> None:
    with served() as address:
        ada = Reviewer(address)
        rows = action(ada.decide(0, "label", choice="blue", note="sky").text)["rows"]
        undone = ada.post("/again", {"kind": "undo", "actions": restored(rows, "before")})
        assert shown_row(undone.text) == "row-000"
        assert decisions(queue)[-1]["decision"] == "withdraw"
        assert shown_row(ada.get()) == "row-000", "it is open again"
        taken = action(undone.text)["rows"]
        assert ada.post("/again", {"kind": "redo", "actions": restored(taken, "before")}).status_code == 200
        first, _, again = decisions(queue)
        assert again == first, "with its note and its time"
        # Somebody else decides in between.
        Reviewer(address, "Bo").decide(0, "reject", seen=3)
        refused = ada.post("/again", {"kind": "undo", "actions": restored([taken[0] | {"line": 3}], "after")})
        assert refused.status_code == 400
        assert "Bo has decided one of these rows since" in refused.text
    assert len(decisions(queue)) == 4


def test_undo_of_a_second_decision_restores_the_first(queue: Path) -> None:
    with served() as address:
        Reviewer(address, "Bo").decide(0, "label", choice="blue")
        ada = Reviewer(address)
        page = ada.get("/", row=entry(0)["input_hash"])
        assert "corrected to blue" in page
        rows = action(ada.decide(0, "accept", seen=1, shown="blue").text)["rows"]
        assert decisions(queue)[1]["answer"] == "blue", "what was shown is approved"
        ada.post("/again", {"kind": "undo", "actions": restored(rows, "before")}).raise_for_status()
    first, _, last = decisions(queue)
    assert last == first
    assert last["reviewer"] == "Bo"


def test_several_rows_are_decided_as_one_act(queue: Path) -> None:
    with served() as address:
        ada = Reviewer(address)
        page = ada.get("/table", alike=entry(0)["input_hash"])
        rows = re.findall(r'name="row" value="(\w+ \d+ \w+)"', page)
        assert len(rows) == 14
        form = [("act", "label"), ("choice", "green"), *(("row", chosen) for chosen in rows[:5])]
        preview = ada.post("/bulk/preview", form)
        assert "5 rows would be decided" in preview.text
        assert decisions(queue) == [], "a preview decides nothing"
        done = ada.post("/bulk", form)
        assert "5 rows decided" in done.text
        assert [of["answer"] for of in decisions(queue)] == ["green"] * 5
        back = restored(action(done.text)["rows"], "before")
        ada.post("/again", {"kind": "undo", "actions": back}).raise_for_status()
        assert [of["decision"] for of in decisions(queue)[5:]] == ["withdraw"] * 5
        Reviewer(address, "Bo").decide(0, seen=6)
        again = ada.post("/bulk", form)
        assert again.status_code == 409
        assert len(decisions(queue)) == 11, "all or none"


def test_a_bulk_decision_is_made_for_all_rows_or_none(queue: Path) -> None:
    with served() as address:
        ada, bo = Reviewer(address), Reviewer(address, "Bo")
        chosen = re.findall(r'name="row" value="(.*?)"', ada.get("/table"))[:4]
        bo.decide(1, "label", choice="blue")
        form = [("act", "accept"), *(("row", value) for value in [*chosen, chosen[0]])]
        refused = ada.post("/bulk", form)
        assert refused.status_code == 409
        assert "row-001" in refused.text
        assert len(decisions(queue)) == 1
        form = [("act", "accept"), *(("row", value) for value in [chosen[0], chosen[2], chosen[0]])]
        assert ada.post("/bulk", form).status_code == 200
    assert len(decisions(queue)) == 3


def test_a_decision_reaches_validate(project: Path) -> None:
    from tests.rows import sampled_row

    rows = [*(sampled_row(i, "red", "blue") for i in range(3)), sampled_row(3, "red", "red")]
    validated(project, rows)
    write_queue(project, [entry(i) for i in range(3)])
    with served() as address:
        Reviewer(address).decide(1, "label", choice="green")
    made = validated(project, rows)
    assert (made["row-001"]["answer"], made["row-001"]["status"], made["row-001"]["edited"]) == (
        "green",
        "kept",
        True,
    )
    assert made["row-000"]["status"] == "review"


def test_without_a_queue_the_remedy_is_named(project: Path) -> None:
    from promptstill.console.errors import UserError

    with pytest.raises(UserError, match="run `dvc repro review@colour`"), served():
        pass


def test_a_broken_line_of_decisions_is_named(queue: Path) -> None:
    write(queue / "data/reviews/colour.jsonl", "{broken\n")
    with served() as address:
        answer = Reviewer(address).session.get(address)
        assert answer.status_code == 400
        assert "colour.jsonl:1: not JSON" in answer.text
