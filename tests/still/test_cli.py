"""The command line: help, errors of one line, imports that are not slow."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from promptstill.core.files import file_hash, write_json
from promptstill.models.student import student_file
from still.summary import speed_of_student
from tests.conftest import Run
from tests.project import write

SLOW = {"torch", "transformers", "great_expectations", "sentence_transformers", "dvc"}


def test_help_needs_no_slow_import(run: Run) -> None:
    ended = run("still.cli", "--help", PYTHONPROFILEIMPORTTIME="1")
    assert ended.returncode == 0
    assert "predict" in ended.stdout
    imported = {line.rsplit("|", 1)[-1].strip() for line in ended.stderr.splitlines()}
    assert not imported & {*SLOW, "pandas"}


@pytest.mark.parametrize("stage", ["ingest", "generate", "validate", "dedupe", "split", "train", "eval"])
def test_a_misspelt_task_needs_no_slow_import(project: Path, run: Run, stage: str) -> None:
    ended = run(f"stages.{stage}", "color", cwd=project, PYTHONPROFILEIMPORTTIME="1")
    assert ended.returncode == 1
    imported = {line.rsplit("|", 1)[-1].strip() for line in ended.stderr.splitlines()}
    assert not imported & SLOW
    (line,) = [line for line in ended.stderr.splitlines() if line.startswith("error:")]
    assert line == "error: params.yaml: tasks: no task 'color' (did you mean colour?); add it to `tasks`"


def test_outside_a_project_the_message_says_so(tmp_path: Path, run: Run) -> None:
    ended = run("still.cli", "summary", cwd=tmp_path)
    assert (ended.returncode, ended.stderr.count("\n")) == (1, 1)
    assert "no params.yaml here or above" in ended.stderr


def test_the_summary_leaves_out_the_speed_of_another_student(project: Path) -> None:
    speed = project / ".still/speed/colour.json"
    write(student_file("colour"), '{"train_hash": "of this student"}')
    assert speed_of_student("colour") is None
    write_json(speed, {"student": file_hash(student_file("colour")), "rows_per_second": 8.0})
    measured = speed_of_student("colour")
    assert measured is not None
    assert measured["rows_per_second"] == 8.0
    write(student_file("colour"), '{"train_hash": "of another one"}')
    assert speed_of_student("colour") is None
    write_json(speed, {"rows_per_second": 8.0})
    assert speed_of_student("colour") is None, "an earlier version named no student"


@pytest.mark.parametrize(
    "command",
    [
        ("preview", "colour", "--prompt"),
        ("journal", "import", "colour"),
    ],
)
def test_a_typed_path_is_relative_to_the_folder_where_it_was_typed(
    project: Path, run: Run, command: tuple[str, ...]
) -> None:
    sub, missing = project / "work/today", project / "missing"
    sub.mkdir(parents=True)
    for typed, named in (("missing", "work/today/missing"), ("../missing", "work/missing")):
        ended = run("still.cli", *command, typed, cwd=sub)
        assert ended.stderr.startswith(f"error: {named}: no such file")
    ended = run("still.cli", *command, str(missing), cwd=sub)
    assert ended.stderr.startswith(f"error: {missing}: no such file")


def test_a_folder_without_write_permission_is_one_line(project: Path, run: Run) -> None:
    # Not even root may make a folder in there.
    (project / "data/ingest").symlink_to("/sys")
    ended = run("stages.ingest", "colour", cwd=project)
    assert ended.returncode == 1
    assert re.fullmatch(
        r"error: data/ingest/colour: (operation not permitted|permission denied).*\n", ended.stderr
    )


def test_a_path_that_cannot_be_written_is_one_line(project: Path, run: Run) -> None:
    write(project / "data/ingest", "a file in the place of the folder")
    ended = run("stages.ingest", "colour", cwd=project)
    assert ended.returncode == 1
    assert ended.stderr.startswith("error: data/ingest")
    assert ended.stderr.count("\n") == 1
