from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from stages.ingest import __main__ as ingest
from stages.shared.errors import UserError
from stages.shared.files import replacing, write_csv, write_rows
from tests.conftest import Run
from tests.project import read_lines, row, write, write_lines
from tools import unlock
from tools.explain import story
from tools.import_rows import import_rows

SLOW = {"torch", "transformers", "great_expectations", "sentence_transformers", "dvc"}
HOLD_THE_LOCK = """
import fcntl, sys
lock = open(".dvc/tmp/lock", "a")
fcntl.flock(lock, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""
NOW = "2026-05-01T00:00:00Z"


def test_help_needs_no_slow_import(run: Run) -> None:
    ended = run("tools.cli", "--help", PYTHONPROFILEIMPORTTIME="1")
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
    ended = run("tools.cli", "summary", cwd=tmp_path)
    assert (ended.returncode, ended.stderr.count("\n")) == (1, 1)
    assert "no params.yaml here or above" in ended.stderr


def import_csv(project: Path, content: str, **changes: Any) -> list[dict[str, Any]]:
    source = project / "new.csv"
    write(source, content)
    options = {"source_format": "", "columns": [], "timestamp": NOW, "origin": ""} | changes
    import_rows("colour", source, **options)
    return read_lines(project / "data/traffic/colour.jsonl")[48:]


def test_a_csv_is_appended_as_traffic(project: Path) -> None:
    added = import_csv(
        project,
        'text,user,when\n"Hello, ""you""\nthere",ann,2026-04-01T02:00:00+02:00\nSecond,,\n',
        columns=["input=text", "account=user", "timestamp=when"],
        origin="mail",
    )
    assert [one["input"] for one in added] == ['Hello, "you"\nthere', "Second"]
    assert [one["account"] for one in added] == ["ann", None]
    assert [one["timestamp"] for one in added] == ["2026-04-01T00:00:00Z", NOW]
    assert {one["source"] for one in added} == {"mail"}
    assert len({one["id"] for one in added}) == 2
    ingest.main("colour")


def test_importing_twice_is_refused_and_nothing_is_written(project: Path) -> None:
    import_csv(project, "input\nHello\n")
    before = (project / "data/traffic/colour.jsonl").read_bytes()
    with pytest.raises(UserError, match=r"is in data/traffic/colour\.jsonl already"):
        import_csv(project, "input\nHello\n")
    assert (project / "data/traffic/colour.jsonl").read_bytes() == before


@pytest.mark.parametrize(
    ("content", "changes", "message"),
    [
        ("text\nHello\n", {}, "no column 'input'; map one with --column input=NAME"),
        ("input\nHello\n", {"timestamp": ""}, "new.csv:2: `timestamp` is missing"),
        ("input\nHello\n", {"timestamp": "today"}, "not ISO 8601"),
        ("input\nHello\n", {"source_format": "xls"}, "'xls' is none of csv, jsonl, chat"),
        ("input\nHello\n", {"columns": ["inptu=text"]}, "must be FIELD=NAME"),
        ("input\n", {}, "no rows"),
        ('input\n"Hello\n', {}, "not CSV"),
    ],
)
def test_mistakes_in_an_import(project: Path, content: str, changes: dict[str, Any], message: str) -> None:
    before = (project / "data/traffic/colour.jsonl").read_bytes()
    with pytest.raises(UserError) as told:
        import_csv(project, content, **changes)
    assert message in str(told.value)
    assert (project / "data/traffic/colour.jsonl").read_bytes() == before


def test_chat_logs_lose_the_prompt_around_the_input(project: Path) -> None:
    prompt = (project / "prompts/colour/teacher.md").read_text()
    asked = prompt.replace("{input}", "a red {thing}")
    logs: list[dict[str, Any]] = [
        {
            "custom_id": "c1",
            "created": 1_777_600_000,
            "body": {"messages": [{"role": "user", "content": asked}], "user": "ann"},
        },
        {
            "created_at": NOW,
            "messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "plain"}],
        },
    ]
    write_lines(project / "logs.jsonl", logs)
    import_rows("colour", project / "logs.jsonl", "", [], "", "")
    first, second = read_lines(project / "data/traffic/colour.jsonl")[48:]
    assert (first["id"], first["input"], first["account"]) == ("c1", "a red {thing}", "ann")
    assert first["timestamp"] == "2026-05-01T01:46:40Z"
    assert (second["input"], second["timestamp"]) == ("plain", NOW)


def test_a_log_without_a_users_text_is_named(project: Path) -> None:
    write_lines(project / "logs.jsonl", [{"messages": [{"role": "system", "content": "s"}]}])
    with pytest.raises(UserError, match=r"logs.jsonl:1: no user message with text"):
        import_rows("colour", project / "logs.jsonl", "chat", [], NOW, "")


def test_jsonl_rows_keep_their_ids(project: Path) -> None:
    write_lines(project / "new.jsonl", [row(99) | {"unrelated": 1}])
    import_rows("colour", project / "new.jsonl", "", [], "", "")
    assert read_lines(project / "data/traffic/colour.jsonl")[-1]["id"] == "row-099"


def test_a_row_tells_its_story(project: Path) -> None:
    write_lines(project / "data/traffic/colour.jsonl", [row(0), row(1, input=row(0)["input"])])
    ingest.main("colour")
    assert story("colour", "row-000")[-1] == "not yet validated; run `dvc repro`"
    assert story("colour", "row-001")[0] == "row-001: the same text as the earlier row-000, folded into it"
    with pytest.raises(UserError, match="no row 'row-777'"):
        story("colour", "row-777")


def test_predicting_without_a_student_names_the_ways_to_get_one(project: Path, run: Run) -> None:
    write(project / "in.jsonl", json.dumps({"id": "a", "input": "x"}))
    ended = run("tools.cli", "predict", "colour", "--input", "in.jsonl", "--output", "out.jsonl", cwd=project)
    assert ended.returncode == 1
    assert ended.stderr == (
        "error: models/colour/student.json: no such file; build the student with `dvc repro`, or get it with "
        "`dvc pull`\n"
    )


def test_a_failed_write_leaves_the_old_file_and_no_remains(tmp_path: Path) -> None:
    target = tmp_path / "rows.jsonl"
    write_rows(target, [{"a": 1}])
    with pytest.raises(TypeError):
        write_rows(target, [{"a": 2}, {"a": object()}])
    assert read_lines(target) == [{"a": 1}]
    assert os.listdir(tmp_path) == ["rows.jsonl"]


def test_a_folder_is_replaced_as_a_whole(tmp_path: Path) -> None:
    for name in ("first", "second"):
        with replacing(tmp_path / "model") as folder:
            folder.mkdir()
            write(folder / name, name)
    assert os.listdir(tmp_path / "model") == ["second"]


def test_remains_of_a_killed_process_go_with_the_next_write(tmp_path: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    for process in (gone.pid, os.getppid()):
        write(tmp_path / f".rows.jsonl.{process}.partial", "half")
    write_rows(tmp_path / "rows.jsonl", [])
    assert sorted(os.listdir(tmp_path)) == [f".rows.jsonl.{os.getppid()}.partial", "rows.jsonl"]


def test_a_cell_that_a_spreadsheet_would_run_is_made_inert(tmp_path: Path) -> None:
    write_csv(tmp_path / "t.csv", ("name", "n"), [("=1+1", -1), ("plain", 2)])
    assert (tmp_path / "t.csv").read_text() == "name,n\n'=1+1,-1\nplain,2\n"


def test_a_folder_without_write_permission_is_one_line(project: Path, run: Run) -> None:
    # Not even root may make a folder in there.
    (project / "data/ingest").symlink_to("/sys")
    ended = run("stages.ingest", "colour", cwd=project)
    assert ended.returncode == 1
    assert re.fullmatch(
        r"error: data/ingest/colour: (operation not permitted|permission denied).*\n", ended.stderr
    )


def test_a_path_that_cannot_be_written_is_one_line(project: Path, run: Run) -> None:
    write(project / "data/ingest", "a file stands where the folder belongs")
    ended = run("stages.ingest", "colour", cwd=project)
    assert ended.returncode == 1
    assert ended.stderr.startswith("error: data/ingest")
    assert ended.stderr.count("\n") == 1


def test_half_a_lock_file_is_removed_when_no_dvc_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    unlock.main()
    broken = tmp_path / ".dvc/tmp/rwlock"
    write(broken, '{"/x": {"wri')
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD_THE_LOCK],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert holder.stdout is not None
    holder.stdout.readline()
    unlock.main()
    assert broken.exists(), "a DVC is at work"
    holder.communicate()
    unlock.main()
    assert not broken.exists()
    write(broken, "{}")
    unlock.main()
    assert broken.exists(), "a whole file is left alone"
