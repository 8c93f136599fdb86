"""Several processes on one journal: nothing is asked twice, and a dead process blocks nobody."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from promptstill.core.lock import locked
from promptstill.core.paths import journal_file
from promptstill.teacher.session import open_session
from stages.generate import __main__ as generate
from stages.generate.params import GenerateParams
from stages.ingest import __main__ as ingest
from tests.project import REPOSITORY, configure, read_lines, write
from tests.promptstill.teacher.project_state import REQUESTS, sampled_rows
from tests.teacher_server import TeacherServer

WAITING = "asks the same teacher under the same prompt; waiting for its end"


def stage(task: str = "colour") -> subprocess.Popen[str]:
    """generate in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "stages.generate", task],
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_until(condition: Callable[[], object], running: subprocess.Popen[str]) -> None:
    while not condition() and running.poll() is None:
        time.sleep(0.01)


@pytest.mark.parametrize("mode", ["online", "batch"])
def test_two_processes_ask_for_everything_once(ingested: Path, teacher: TeacherServer, mode: str) -> None:
    settings: dict[str, Any] = {"base_url": teacher.url}
    if mode == "batch":
        settings |= {"mode": "batch", "batch": {"requests": 10, "poll_seconds": 0.2}}
    configure(ingested, **settings, concurrency=2)
    teacher.seconds = 0.05
    first, second = stage(), stage()
    errors = [process.communicate()[1] for process in (first, second)]
    assert (first.returncode, second.returncode) == (0, 0), errors
    assert len(teacher.requests) == REQUESTS
    assert any(WAITING in error for error in errors)
    assert all(len(row["samples"]) == 2 for row in sampled_rows(ingested))


def test_a_killed_process_blocks_nobody(ingested: Path, teacher: TeacherServer) -> None:
    teacher.seconds = 30
    killed = stage()
    wait_until(lambda: teacher.requests, killed)
    waiting = stage()
    assert waiting.stderr is not None
    line = waiting.stderr.readline()
    assert f"process {killed.pid} {WAITING}" in line
    teacher.seconds = 0
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    waiting.communicate()
    assert waiting.returncode == 0
    in_flight = 8
    assert len(teacher.requests) <= REQUESTS + in_flight


def test_another_task_with_the_same_questions_waits_and_pays_nothing(
    ingested: Path, teacher: TeacherServer
) -> None:
    document = yaml.safe_load((ingested / "params.yaml").read_text())
    document["colour-json"] = document["colour"]
    write(ingested / "params.yaml", yaml.safe_dump(document))
    for path in (
        "data/traffic/{}.jsonl",
        "golden/{}.jsonl",
        "expectations/{}/answer.schema.json",
        "expectations/{}/normalise.yaml",
    ):
        write(ingested / path.format("colour-json"), (ingested / path.format("colour")).read_text())
    ingest.main("colour-json")
    teacher.seconds = 0.05
    both = stage("colour"), stage("colour-json")
    assert [process.wait() for process in both] == [0, 0]
    assert len(teacher.requests) == REQUESTS
    assert len(read_lines(ingested / "data/generate/colour-json/rows.jsonl")) == 12


def test_runs_under_other_prompts_do_not_wait(ingested: Path, teacher: TeacherServer) -> None:
    busy = ingested / "busy.md"
    write(busy, "Which colour?\n{input}\n")
    with open_session("colour", GenerateParams.load("colour"), busy) as other, other.alone() as waited:
        assert not waited
        running = stage()
        _, errors = running.communicate()
    assert running.returncode == 0, errors
    assert WAITING not in errors
    assert len(teacher.requests) == REQUESTS


def test_runs_that_share_a_rubric_wait(ingested: Path) -> None:
    write(ingested / "prompts/colour/rubric.md", "Grade.\n{input}\n{answer}\n")
    configure(ingested, grade=True)
    busy = ingested / "busy.md"
    write(busy, "Which colour?\n{input}\n")
    params = GenerateParams.load("colour")
    names: list[set[str]] = []
    for prompt in (None, busy):
        with open_session("colour", params, prompt) as session, session.alone():
            pass
        names.append({path.name for path in (journal_file().parent / "locks").iterdir()})
    assert (len(names[0]), len(names[1])) == (2, 3)


def test_a_lock_names_its_holder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "locks/a.lock"
    with locked(path, "busy") as waited:
        assert not waited
    script = (
        "import sys, time\nfrom pathlib import Path\nfrom promptstill.core.lock import locked\n"
        "with locked(Path(sys.argv[1]), 'busy'):\n    print('held', flush=True)\n    time.sleep(0.3)\n"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE, text=True,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
    )  # fmt: skip
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with locked(path, "process {pid} has it") as waited:
        assert waited
    assert capsys.readouterr().err == f"process {holder.pid} has it\n"
    holder.communicate()


def test_a_wait_that_brings_all_answers_asks_nothing(
    ingested: Path, teacher: TeacherServer, capsys: pytest.CaptureFixture[str]
) -> None:
    teacher.seconds = 0.2
    first = stage()
    wait_until(lambda: teacher.requests, first)
    generate.main("colour")
    first.communicate()
    assert len(teacher.requests) == REQUESTS
    assert "asked now 0" in capsys.readouterr().out
