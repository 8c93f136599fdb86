from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.generate import __main__ as generate
from stages.generate.journal import Journal
from stages.generate.questions import INPUT, check_placeholders, render
from stages.ingest import __main__ as ingest
from stages.shared.errors import UserError
from tests.conftest import TEACHER_KEY, Run
from tests.project import REPOSITORY, configure, read_lines, record_answers, row, write, write_lines
from tests.teacher_server import Fault, TeacherServer, last_line


def test_every_row_and_golden_input_is_asked_once_a_sample(ingested: Path, teacher: TeacherServer) -> None:
    generate.main("colour")
    assert len(teacher.requests) == (12 + 6) * 2
    rows = read_lines(ingested / "data/generate/colour/rows.jsonl")
    assert [one["id"] for one in rows] == [f"row-{i:03}" for i in range(12)]
    assert all(len(one["samples"]) == 2 and one["samples"][0]["response"] for one in rows)
    about = rows[0]["teacher"]
    assert about["model"] == "test-teacher"
    assert about["sampling"]["temperature"] == 0.7
    assert len(set(about["request_keys"])) == 2
    assert {"endpoint", "prompt_hash", "schema_hash", "recorded_at"} <= set(about)


def test_nothing_is_paid_twice(ingested: Path, teacher: TeacherServer) -> None:
    generate.main("colour")
    out = ingested / "data/generate/colour/rows.jsonl"
    before, asked = out.read_bytes(), len(teacher.requests)
    generate.main("colour")
    assert (out.read_bytes(), len(teacher.requests)) == (before, asked)

    configure(ingested, base_url=teacher.url, concurrency=2, timeout_seconds=9)
    generate.main("colour")
    assert (out.read_bytes(), len(teacher.requests)) == (before, asked)

    write_lines(ingested / "data/traffic/colour.jsonl", [row(i) for i in range(13)])
    ingest.main("colour")
    generate.main("colour")
    assert len(teacher.requests) == asked + 2, "one new row, two samples"
    assert out.read_bytes().startswith(before)


def test_another_prompt_model_or_sampling_asks_all_anew(ingested: Path, teacher: TeacherServer) -> None:
    generate.main("colour")
    asked = len(teacher.requests)
    write(ingested / "prompts/colour/teacher.md", "Which colour?\n{input}\n")
    generate.main("colour")
    assert len(teacher.requests) == 2 * asked
    for change in ({"model": "other"}, {"sampling": {"temperature": 0.1}}):
        before = len(teacher.requests)
        configure(ingested, base_url=teacher.url, **change)
        generate.main("colour")
        assert len(teacher.requests) == before + asked


def test_faults_are_retried_and_what_came_is_kept(ingested: Path, teacher: TeacherServer) -> None:
    poisoned = row(3)["input"]
    teacher.fault = lambda number, body: (
        400 if last_line(body) == poisoned else {1: 429, 2: 500, 3: 503}.get(number)
    )
    configure(ingested, base_url=teacher.url, max_failure_fraction=0.1)
    generate.main("colour")
    (dead,) = read_lines(ingested / "data/generate/colour/dead.jsonl")
    assert (dead["id"], dead["reason"]) == ("row-003", "status 400 (fault 400)")
    assert len(read_lines(ingested / "data/generate/colour/rows.jsonl")) == 11
    metrics = json.loads((ingested / "metrics/colour/generate.json").read_text())
    assert (metrics["input"], metrics["kept"], metrics["rejected"]) == (12, 11, 1)
    assert metrics["reasons"] == {"status 400": 1}

    teacher.fault = lambda number, body: None
    asked = len(teacher.requests)
    generate.main("colour")
    assert len(teacher.requests) == asked + 2, "what was given up is asked again, and nothing else"
    assert len(read_lines(ingested / "data/generate/colour/rows.jsonl")) == 12


def test_too_many_failures_stop_the_stage_and_lose_nothing(ingested: Path, teacher: TeacherServer) -> None:
    teacher.fault = lambda number, body: 400 if last_line(body) == row(3)["input"] else None
    with pytest.raises(UserError, match=r"1 rows got no answer, the last one: status 400 .* and are kept"):
        generate.main("colour")
    assert not (ingested / "data/generate/colour/rows.jsonl").exists()
    answered = len(teacher.requests) - 1
    teacher.fault = lambda number, body: None
    generate.main("colour")
    assert len(teacher.requests) == 1 + 36, f"{answered} answers were kept"


def test_a_refused_key_stops_at_once_and_is_never_shown(ingested: Path, teacher: TeacherServer) -> None:
    teacher.fault = lambda number, body: 401
    with pytest.raises(UserError, match="the API key is missing or refused") as told:
        generate.main("colour")
    assert TEACHER_KEY not in str(told.value)
    assert len(teacher.requests) <= 8, "no more than were in flight"


def test_the_key_reaches_the_teacher_and_nothing_else(
    ingested: Path, teacher: TeacherServer, capfd: pytest.CaptureFixture[str], run: Run
) -> None:
    """Not even where the server repeats it in what it says about a row."""
    echo = json.dumps({"error": {"message": f"unknown key {TEACHER_KEY}"}}).encode()
    teacher.fault = lambda number, body: (
        Fault(400, body=echo)
        if last_line(body) == row(3)["input"]
        else Fault(500, body=echo)
        if number == 9
        else None
    )
    configure(ingested, base_url=teacher.url, max_failure_fraction=0.1)
    generate.main("colour")
    assert set(teacher.keys) == {f"Bearer {TEACHER_KEY}"}
    (dead,) = read_lines(ingested / "data/generate/colour/dead.jsonl")
    assert dead["reason"] == "status 400 (unknown key [KEY])"
    write(ingested / "edited.md", "Which colour?\n{input}\n")
    shown = run("tools.cli", "preview", "colour", "--prompt", "edited.md", cwd=ingested)
    told = run("tools.cli", "journal", "stats", cwd=ingested)
    assert (shown.returncode, told.returncode) == (0, 0)
    printed = "".join([*capfd.readouterr(), shown.stdout, shown.stderr, told.stdout, told.stderr])
    assert TEACHER_KEY not in printed
    for path in ingested.rglob("*"):
        assert path.is_dir() or TEACHER_KEY.encode() not in path.read_bytes(), path


def test_without_a_teacher_the_message_names_both_ways_out(project: Path) -> None:
    ingest.main("colour")
    record_answers(project, "colour")
    generate.main("colour")
    out = project / "data/generate/colour/rows.jsonl"
    before = out.read_bytes()
    write(project / "prompts/colour/teacher.md", "Which colour?\n{input}\n")
    with pytest.raises(UserError) as told:
        generate.main("colour")
    message = str(told.value)
    assert "108 of 108 requests have no recorded answer under prompt" in message
    assert "set `colour.generate.base_url`" in message
    assert "TEST_TEACHER_KEY" in message
    assert "restore prompts/colour/teacher.md" in message
    assert out.read_bytes() == before, "nothing half-written"


def test_recorded_answers_are_read_before_the_journal(ingested: Path, teacher: TeacherServer) -> None:
    record_answers(ingested, "colour")
    generate.main("colour")
    assert teacher.requests == []


def test_a_killed_run_loses_no_answer(ingested: Path, teacher: TeacherServer) -> None:
    teacher.seconds = 0.05
    kills, in_flight = 3, 8
    for killed in (True,) * kills + (False,):
        running = subprocess.Popen(
            [sys.executable, "-m", "stages.generate", "colour"],
            env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
            stdout=subprocess.DEVNULL,
        )
        limit = len(teacher.requests) + in_flight + 2
        while killed and running.poll() is None and len(teacher.requests) < limit:
            time.sleep(0.005)
        if killed:
            running.send_signal(signal.SIGKILL)
        running.wait()
    assert running.returncode == 0
    assert len(teacher.requests) <= 36 + kills * in_flight, "only what was in flight is sent again"
    journal = sqlite3.connect(ingested / ".still/journal.sqlite")
    assert journal.execute("SELECT count(*) FROM answers").fetchone() == (36,)

    out = (ingested / "data/generate/colour/rows.jsonl").read_bytes()
    asked = len(teacher.requests)
    generate.main("colour")
    assert len(teacher.requests) == asked
    assert (ingested / "data/generate/colour/rows.jsonl").read_bytes() == out


def test_a_journal_that_cannot_be_written_ends_the_run(ingested: Path, teacher: TeacherServer) -> None:
    trigger = "CREATE TRIGGER full BEFORE INSERT ON answers BEGIN SELECT RAISE(FAIL, 'disk full'); END"
    with Journal(ingested / ".still/journal.sqlite") as journal:
        journal._writer.execute(trigger)
    with pytest.raises(UserError, match=r"journal.sqlite: cannot write the journal \(disk full\)"):
        generate.main("colour")


def test_the_first_record_of_a_key_stays(tmp_path: Path) -> None:
    with Journal(tmp_path / "j.sqlite") as journal:
        journal.add({"k": {"response": "first"}})
        journal.add({"k": {"response": "second"}, "l": {"response": "other"}})
        assert journal.get(["k", "l", "m"]) == {"k": {"response": "first"}, "l": {"response": "other"}}


def test_a_file_that_is_no_journal_is_told(tmp_path: Path) -> None:
    write(tmp_path / "j.sqlite", "this is not a database, whatever its name says" * 100)
    with pytest.raises(UserError, match="cannot open the journal"):
        Journal(tmp_path / "j.sqlite")


@pytest.mark.parametrize("prompt", ["no place for it", "{input} and {input}"])
def test_a_prompt_needs_its_placeholder_once(prompt: str) -> None:
    with pytest.raises(UserError, match="write it once"):
        check_placeholders(prompt, Path("teacher.md"), (INPUT,))


@given(st.text(), st.text(alphabet="{}input %s"))
def test_other_braces_are_text(before: str, text: str) -> None:
    prompt = before.replace("{input}", "") + '{"a": {input}}'
    assert render(prompt, {INPUT: text}) == before.replace("{input}", "") + '{"a": ' + text + "}"
