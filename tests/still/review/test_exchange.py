"""still review export and import: the queue in files of other tools, and their decisions back."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from promptstill.console.errors import UserError
from promptstill.core.files import write_rows
from still.review.exchange import export_queue, import_decisions
from still.review.formats import COLUMNS, FORMATS
from tests.rows import kept_row
from tests.still.review.served import decisions, entry, line, write_queue

HOSTILE = ("=cmd|' /C calc'!A0", "+1", "-2", "@x", "'quoted", 'a "b", c\nd\re', "\ttab", "שלום ‮abc")


@pytest.fixture
def queue(project: Path) -> Path:
    write_queue(project, [entry(i) for i in range(6)])
    write_rows(project / "data/validate/colour/rows.jsonl", [kept_row(i) for i in range(8)])
    return project


def exported(project: Path, form: str, task: str = "colour") -> Path:
    path = project / f"queue.{form}"
    export_queue(task, path, form)
    return path


def fill(path: Path, form: str, filled: Mapping[str, Mapping[str, str]]) -> None:
    """Fill in the file as its tool does: by the id of a row, what a person gives."""
    if form == "csv":
        with path.open(encoding="utf-8", newline="") as lines:
            rows = [
                {**cells, **filled.get(cells["id"].removeprefix("'"), {})} for cells in csv.DictReader(lines)
            ]
        with path.open("w", encoding="utf-8", newline="") as lines:
            table = csv.DictWriter(lines, COLUMNS)
            table.writeheader()
            table.writerows(rows)
        return
    items = json.loads(path.read_text(encoding="utf-8"))
    for item in items:
        given = dict(filled.get(item["data"]["id"] if form == "label-studio" else item["id"], {}))
        by = given.pop("reviewer", "")
        if given and form == "label-studio":
            item["annotations"] = [{"completed_by": {"email": by}, "result": labelled(given)}]
        elif given:
            item["responses"] = {name: [{"value": value, "user_id": by}] for name, value in given.items()}
    path.write_text(json.dumps(items), encoding="utf-8")


def labelled(given: Mapping[str, str]) -> list[dict[str, Any]]:
    """The result of an annotation in Label Studio."""
    return [
        {"from_name": name, "to_name": "input", "type": kind, "value": {key: [value]}}
        for name, value in given.items()
        for kind, key in [("choices", "choices") if name == "decision" else ("textarea", "text")]
    ]


@pytest.mark.parametrize("form", FORMATS)
def test_decisions_of_other_tools_are_lines_like_those_of_the_page(
    queue: Path, form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = exported(queue, form)
    by = {"reviewer": "Bo"}
    fill(
        path,
        form,
        {
            "row-001": {"decision": "accept", **by},
            "row-002": {"decision": "edit", "corrected_answer": "blue", "note": "clearly blue", **by},
            "row-003": {"decision": "reject", **by},
        },
    )
    import_decisions("colour", path, form, "")
    made = decisions(queue)
    assert [(of["id"], of["decision"], of.get("answer"), of.get("note", "")) for of in made] == [
        ("row-001", "accept", "red", ""),
        ("row-002", "edit", "blue", "clearly blue"),
        ("row-003", "reject", None, ""),
    ]
    assert all(of["reviewer"] == "Bo" and of["reasons"] == ["samples_disagree"] for of in made)
    capsys.readouterr()
    again = exported(queue, form)
    import_decisions("colour", again, form, "")
    assert "0 decisions appended; 3 were there already" in capsys.readouterr().out
    assert decisions(queue) == made, "what was exported comes back as it was"


@pytest.mark.parametrize("form", FORMATS)
def test_no_text_is_lost_or_computed(project: Path, form: str) -> None:
    texts = [entry(i, input=text) for i, text in enumerate(HOSTILE)]
    write_queue(project, texts)
    write_rows(project / "data/validate/colour/rows.jsonl", [])
    path = exported(project, form)
    if form == "csv":
        assert [cells["input"] for _, cells in FORMATS[form].read(path)] == list(HOSTILE)
        with path.open(encoding="utf-8", newline="") as lines:
            written = [cell for cells in csv.reader(lines) for cell in cells]
        assert not [cell for cell in written if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]
    fill(path, form, {of["id"]: {"decision": "accept", "note": "=1+1", "reviewer": "Bo"} for of in texts})
    import_decisions("colour", path, form, "")
    made = decisions(project)
    assert [of["input_hash"] for of in made] == [of["input_hash"] for of in texts]
    assert {of["note"] for of in made} == {"=1+1"}


@pytest.mark.parametrize("form", FORMATS)
def test_unknown_names_are_refused(queue: Path, form: str) -> None:
    path = exported(queue, form)
    if form == "csv":
        path.write_text(path.read_text().replace('"note"', '"note","colour"', 1))
    else:
        items = json.loads(path.read_text())
        items[0]["data" if form == "label-studio" else "metadata"]["colour"] = "red"
        path.write_text(json.dumps(items))
    with pytest.raises(UserError, match="unknown columns colour; remove or rename them"):
        import_decisions("colour", path, form, "Bo")


@pytest.mark.parametrize(
    ("filled", "problem"),
    [
        ({"decision": "maybe"}, "decision: 'maybe'; must be accept, edit or reject"),
        (
            {"decision": "accept", "reviewer": ""},
            "reviewer: who decides this now? Fill it in, or give --reviewer",
        ),
        ({"decision": "edit"}, "corrected_answer: missing"),
        ({"decision": "edit", "corrected_answer": "purple"}, "corrected_answer: schema_mismatch"),
        ({"decision": "accept", "corrected_answer": "blue"}, "a corrected answer beside accept"),
        ({"note": "look at this"}, "no decision beside the answer or the note"),
        ({"decision": "accept", "answer": ""}, "answer: missing; make the decision edit"),
        ({"decision": "accept", "answer": "blue"}, "the row has another answer since the export"),
        ({"decision": "accept", "input_hash": "0" * 64}, "no row has this input_hash"),
    ],
)
def test_a_wrong_line_is_named_and_nothing_is_appended(
    queue: Path, filled: dict[str, str], problem: str
) -> None:
    path = exported(queue, "csv")
    fill(
        path,
        "csv",
        {"row-001": {"decision": "accept", "reviewer": "Bo"}, "row-003": {"reviewer": "Bo"} | filled},
    )
    with pytest.raises(UserError) as raised:
        import_decisions("colour", path, "csv", "")
    assert problem in str(raised.value)
    assert f"{path}:9" in str(raised.value)
    assert decisions(queue) == []


def test_a_decision_since_the_export_is_not_overruled(queue: Path) -> None:
    path = exported(queue, "csv")
    write_rows(queue / "data/reviews/colour.jsonl", [line(1, "reject")])
    fill(path, "csv", {"row-001": {"decision": "accept", "reviewer": "Ann"}})
    with pytest.raises(UserError, match="the row has another decided_at since the export"):
        import_decisions("colour", path, "csv", "")
    assert len(decisions(queue)) == 1


def test_reviewers_are_named_once_for_a_file_without_them(queue: Path) -> None:
    path = exported(queue, "csv")
    fill(path, "csv", {"row-001": {"decision": "accept"}})
    import_decisions("colour", path, "csv", "Cy")
    assert [of["reviewer"] for of in decisions(queue)] == ["Cy"]


@pytest.mark.parametrize("form", FORMATS)
def test_a_file_can_come_back_again_with_one_more_decision(
    queue: Path, form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = exported(queue, form)
    # Argilla fills in its suggestion, which is the answer.
    first = {"row-001": {"decision": "accept", "corrected_answer": "red", "reviewer": "Bo"}}
    fill(path, form, first)
    import_decisions("colour", path, form, "")
    # The stage has ranked anew: what is decided is no longer in the queue, and neither is another row.
    write_queue(queue, [entry(i) for i in range(6) if i not in (1, 2)])
    fill(path, form, first | {"row-002": {"decision": "reject", "reviewer": "Bo"}})
    capsys.readouterr()
    import_decisions("colour", path, form, "")
    assert "1 decisions appended; 1 were there already" in capsys.readouterr().out
    made = decisions(queue)
    assert [(of["id"], of["decision"], of["status"]) for of in made] == [
        ("row-001", "accept", "review"),
        ("row-002", "reject", "kept"),
    ]


def test_a_changed_decision_is_that_of_who_changed_it(queue: Path) -> None:
    write_rows(queue / "data/reviews/colour.jsonl", [line(1, reviewer="Ada")])
    path = exported(queue, "csv")
    fill(path, "csv", {"row-001": {"decision": "reject"}})
    with pytest.raises(UserError, match="who decides this now"):
        import_decisions("colour", path, "csv", "")
    import_decisions("colour", path, "csv", "Cy")
    assert [(of["decision"], of["reviewer"]) for of in decisions(queue)] == [
        ("accept", "Ada"),
        ("reject", "Cy"),
    ]


def test_other_tools_take_the_decisions_of_people_whom_they_do_not_know(queue: Path) -> None:
    write_rows(queue / "data/reviews/colour.jsonl", [line(1, reviewer="Ada")])
    tasks = json.loads(exported(queue, "label-studio").read_text())
    assert [list(given) for task in tasks for given in task.get("annotations", [])] == [["result"]]
    path = exported(queue, "argilla")
    assert [record["responses"] for record in json.loads(path.read_text())] == [{}] * 6
    server = {"decision": "accept", "reviewer": "11111111-2222-4333-8444-555555555555"}
    fill(path, "argilla", {"row-002": server})
    import_decisions("colour", path, "argilla", "Cy")
    assert [of["reviewer"] for of in decisions(queue)] == ["Ada", "Cy"]


def test_a_leading_apostrophe_that_a_person_typed_stays(queue: Path) -> None:
    path = exported(queue, "csv")
    fill(path, "csv", {"row-001": {"decision": "accept", "note": "'s avonds open", "reviewer": "Bo"}})
    import_decisions("colour", path, "csv", "")
    assert decisions(queue)[0]["note"] == "'s avonds open"


def test_files_that_cannot_be_read_are_named(queue: Path) -> None:
    path = queue / "broken"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(UserError, match="not UTF-8"):
        import_decisions("colour", path, "csv", "")
    path.write_text("{}")
    with pytest.raises(UserError, match="must be a list of objects"):
        import_decisions("colour", path, "argilla", "")
    with pytest.raises(UserError, match="--format cvs: must be one of csv, label-studio, argilla"):
        import_decisions("colour", path, "cvs", "")
