"""`still predict`: answers of the trained student."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from promptstill.console.errors import UserError
from promptstill.rows.row import Input
from still import predict
from tests.conftest import Run
from tests.project import LABELS, read_lines, row, write, write_lines
from tests.trained import trained


def test_predicting_without_a_student_names_the_ways_to_get_one(project: Path, run: Run) -> None:
    write(project / "in.jsonl", json.dumps({"id": "a", "input": "x"}))
    ended = run("still.cli", "predict", "colour", "--input", "in.jsonl", "--output", "out.jsonl", cwd=project)
    assert ended.returncode == 1
    assert ended.stderr == (
        "error: models/colour/student.json: no such file; build the student with `dvc repro`, or get it with "
        "`dvc pull`\n"
    )


class Killed(Exception):
    """Stands in for a signal that ends the run."""


ROWS = [{"id": f"q{i}", "input": f"text {i}"} for i in range(7)]


def test_a_killed_run_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predict, "BLOCK", 2)
    write_lines(tmp_path / "in.jsonl", ROWS)
    source, target, about = str(tmp_path / "in.jsonl"), tmp_path / "out.jsonl", {"input": "a", "student": "b"}
    asked: list[str] = []

    def answer(rows: list[Input]) -> list[str]:
        asked.extend(row["id"] for row in rows)
        if len(asked) == 6:
            raise Killed
        return [json.dumps({"id": row["id"]}) for row in rows]

    with pytest.raises(Killed):
        predict.finish(target, about, source, answer, 7)
    assert not target.exists()
    # The last line was being written.
    with (tmp_path / "out.jsonl.unfinished").open("a") as lines:
        lines.write('{"id": "q')
    predict.finish(target, about, source, answer, 7)
    assert asked == ["q0", "q1", "q2", "q3", "q4", "q5", "q4", "q5", "q6"]
    assert [line["id"] for line in read_lines(target)] == [row["id"] for row in ROWS]
    assert not (tmp_path / "out.jsonl.unfinished").exists()


def test_answers_of_another_student_are_not_continued(tmp_path: Path) -> None:
    unfinished = tmp_path / "out.jsonl.unfinished"
    write(unfinished, '{"input": "a", "student": "b"}\n{"id": "q0"}\n')
    assert predict.answered_before(unfinished, {"input": "a", "student": "b"}) == 1
    assert predict.answered_before(unfinished, {"input": "a", "student": "c"}) == 0


def test_two_runs_do_not_write_one_file(tmp_path: Path) -> None:
    with (
        predict.writing(tmp_path / "new" / "out.jsonl"),
        pytest.raises(UserError, match="writes this file"),
        predict.writing(tmp_path / "new" / "out.jsonl"),
    ):
        pass


def test_a_bad_row_is_found_before_the_model_is_asked(tmp_path: Path) -> None:
    write_lines(tmp_path / "in.jsonl", [*ROWS, {"id": "bad"}])
    with pytest.raises(UserError, match=r"in.jsonl:8: `input` is missing"):
        list(predict.checked(str(tmp_path / "in.jsonl")))


def test_a_trained_student_answers_with_its_confidence(project: Path, tiny: str, run: Run) -> None:
    trained(project, tiny)
    rows = [{"id": f"q{i}", "input": row(i)["input"]} for i in range(5)]
    write_lines(project / "in.jsonl", rows)
    ended = run("still.cli", "predict", "colour", "--input", "in.jsonl", "--output", "out.jsonl", cwd=project)
    assert ended.returncode == 0, ended.stderr
    lines = read_lines(project / "out.jsonl")
    assert [line["id"] for line in lines] == [question["id"] for question in rows]
    for line in lines:
        assert list(line) == ["id", "answer", "confidence", "confidences", "cut_off"]
        assert line["answer"] in LABELS, "a text of a listed value is always valid"
        assert line["confidences"] == {"": line["confidence"]}
        assert 1 / len(LABELS) - 1e-4 <= line["confidence"] <= 1, "it is the most probable of the three"
        assert line["cut_off"] is False
