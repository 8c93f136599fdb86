"""The stage generate: every row is asked once per sample, and nothing is paid for twice."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from promptstill.console.errors import UserError
from stages.generate import __main__ as generate
from stages.ingest import __main__ as ingest
from tests.project import REPOSITORY, configure, read_lines, record_answers, row, write, write_lines
from tests.promptstill.teacher.project_state import PRICE, SAMPLING
from tests.teacher_server import TeacherServer, last_line


def test_every_row_and_golden_input_is_asked_once_per_sample(ingested: Path, teacher: TeacherServer) -> None:
    generate.main("colour")
    assert len(teacher.requests) == (12 + 6) * 2
    rows = read_lines(ingested / "data/generate/colour/rows.jsonl")
    assert [line["id"] for line in rows] == [f"row-{i:03}" for i in range(12)]
    assert all(len(line["samples"]) == 2 and line["samples"][0]["response"] for line in rows)
    about = rows[0]["teacher"]
    assert about["model"] == "test-teacher"
    assert about["sampling"]["temperature"] == 0.7
    assert len(set(about["request_keys"])) == 2
    assert {"endpoint", "prompt_hash", "schema_hash", "recorded_at"} <= set(about)


def test_nothing_is_paid_for_twice(ingested: Path, teacher: TeacherServer) -> None:
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


def test_another_prompt_model_or_sampling_asks_everything_again(
    ingested: Path, teacher: TeacherServer
) -> None:
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


def test_without_a_teacher_the_message_names_both_ways_out(project: Path) -> None:
    ingest.main("colour")
    record_answers(project, "colour")
    generate.main("colour")
    out = project / "data/generate/colour/rows.jsonl"
    before = out.read_bytes()
    write(project / "prompts/colour/teacher.md", "Which colour?\n{input}\n")
    with pytest.raises(UserError) as raised:
        generate.main("colour")
    message = str(raised.value)
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


def test_a_rerun_says_what_this_version_has_cost(
    ingested: Path, teacher: TeacherServer, capsys: pytest.CaptureFixture[str]
) -> None:
    configure(ingested, base_url=teacher.url, price=PRICE, sampling=SAMPLING)
    generate.main("colour")
    capsys.readouterr()
    generate.main("colour")
    assert "spent on this version 0.000648 USD" in capsys.readouterr().out


def test_the_summary_counts_rows_that_were_given_up_and_says_how_to_ask_again(
    ingested: Path, teacher: TeacherServer, capsys: pytest.CaptureFixture[str]
) -> None:
    teacher.fault = lambda number, body: (
        400 if last_line(body) in (row(3)["input"], row(5)["input"]) else None
    )
    configure(ingested, base_url=teacher.url, max_failure_fraction=0.2)
    generate.main("colour")
    assert (
        "generate colour: given up: status 400 2; `dvc repro -f -s generate@colour` asks about them again"
        in capsys.readouterr().out
    )
