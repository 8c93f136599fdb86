"""`still estimate`: what a run would ask and cost."""

from __future__ import annotations

import hashlib
import itertools
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from stages.generate import __main__ as generate
from stages.ingest import __main__ as ingest
from still.stale import stale
from tests.conftest import Run
from tests.project import configure, row, write, write_lines
from tests.promptstill.teacher.project_state import PRICE, SAMPLING
from tests.promptstill.teacher.test_open_batches import killed_while_waiting
from tests.still.tables import table
from tests.teacher_server import TeacherServer


def test_an_estimate_sends_nothing(ingested: Path, teacher: TeacherServer, run: Run) -> None:
    configure(
        ingested, base_url=teacher.url, price=PRICE, sampling=SAMPLING, max_samples=3, requests_per_minute=72
    )
    rows = table(run("still.cli", "estimate", "colour", cwd=ingested, COLUMNS="120").stdout)
    assert rows["rows and golden inputs"] == ["18"]
    assert rows["answers known (recorded or journaled)"] == ["0"]
    assert rows["requests"] == ["36", "54"]
    assert rows["completion tokens"] == [str(36 * 8)]
    assert rows["time"] == ["0.5 min"]
    expected, most = map(float, rows["USD"])
    assert 0 < expected < most
    assert teacher.requests == []
    assert not (ingested / "data/generate").exists()


def test_an_estimate_leaves_out_known_answers_and_learns_from_them(
    ingested: Path, teacher: TeacherServer, run: Run
) -> None:
    configure(ingested, base_url=teacher.url, price=PRICE, sampling=SAMPLING)
    generate.main("colour")
    write_lines(ingested / "data/traffic/colour.jsonl", [row(i) for i in range(14)])
    ingest.main("colour")
    rows = table(run("still.cli", "estimate", "colour", cwd=ingested, COLUMNS="120").stdout)
    assert rows["answers known (recorded or journaled)"] == ["36"]
    assert rows["requests"] == ["4", "4"]
    assert 36 <= int(rows["prompt tokens"][0]) <= 44, "the known prompts have 10 tokens each"
    assert rows["completion tokens"] == ["8"]
    assert float(rows["USD"][0]) == pytest.approx(4 * 18e-6, rel=0.1)
    assert rows["time"][0].endswith("min")


@pytest.mark.parametrize("grade", [False, True])
def test_further_samples_are_counted_once(
    ingested: Path, teacher: TeacherServer, run: Run, grade: bool
) -> None:
    """No answer of a row has a majority, so it gets as many as are allowed, and the upper bound is exact."""
    write(ingested / "prompts/colour/rubric.md", "Grade from 0 to 10.\nText: {input}\nAnswer: {answer}\n")
    colours: dict[str, Iterator[str]] = defaultdict(lambda: itertools.cycle(("red", "green", "blue")))
    teacher.reply = lambda body: next(colours[str(body["messages"])])
    configure(ingested, base_url=teacher.url, concurrency=1)
    generate.main("colour")
    asked = len(teacher.requests)
    configure(ingested, base_url=teacher.url, max_samples=4, grade=grade, concurrency=1)
    rows = table(run("still.cli", "estimate", "colour", cwd=ingested, COLUMNS="120").stdout)
    assert rows["answers known (recorded or journaled)"] == ["36"]
    assert rows["requests"] == ["18", str(18 * (6 if grade else 2))]

    replies = itertools.count()
    teacher.reply = lambda body: (
        f"grade {next(replies)}" if "Grade" in str(body) else next(colours[str(body["messages"])])
    )
    generate.main("colour")
    grades = sum("Grade" in str(body) for body in teacher.requests)
    assert len(teacher.requests) - asked - grades == 18 * 2
    rows = table(run("still.cli", "estimate", "colour", cwd=ingested, COLUMNS="120").stdout)
    assert rows["requests"] == ["0", "0"]


def test_an_estimate_after_an_import_says_what_it_leaves_out(
    ingested: Path, teacher: TeacherServer, run: Run
) -> None:
    generate.main("colour")
    fresh = run("still.cli", "estimate", "colour", cwd=ingested)
    assert "older" not in fresh.stdout
    write_lines(ingested / "new.jsonl", [row(i) for i in (20, 21, 22)])
    assert run("still.cli", "import", "colour", "new.jsonl", cwd=ingested).returncode == 0
    shown = run("still.cli", "estimate", "colour", cwd=ingested)
    assert "ingest is older than its inputs: data/traffic/colour.jsonl has 3 new rows\n" in shown.stdout
    assert "run `dvc repro ingest@colour` and estimate again" in shown.stdout


def test_folded_repeats_are_not_new_rows(ingested: Path, teacher: TeacherServer) -> None:
    repeat = row(3) | {"id": "again"}
    write_lines(ingested / "data/traffic/colour.jsonl", [*(row(i) for i in range(12)), repeat])
    ingest.main("colour")
    assert stale("colour") == []


def test_dvcs_lock_shows_edits_that_no_id_shows(ingested: Path, teacher: TeacherServer) -> None:
    traffic = ingested / "data/traffic/colour.jsonl"
    block = yaml.safe_load((ingested / "params.yaml").read_text())["colour"]["ingest"]

    def lock(**changes: object) -> None:
        dep = {"path": "data/traffic/colour.jsonl", "md5": hashlib.md5(traffic.read_bytes()).hexdigest()}
        stage = {"deps": [dep], "params": {"params.yaml": {"colour.ingest": block | changes}}}
        write(ingested / "dvc.lock", yaml.safe_dump({"stages": {"ingest@colour": stage}}))

    lock()
    assert stale("colour") == []
    lock(redact=[])
    assert stale("colour") == ["params.yaml: colour.ingest has other values"]
    lock()
    write_lines(traffic, [row(i) | {"source": "fax"} for i in range(12)])
    assert stale("colour") == ["data/traffic/colour.jsonl has other content"]


def test_requests_in_open_batches_are_not_asked_again(
    ingested: Path, teacher: TeacherServer, run: Run
) -> None:
    killed_while_waiting(ingested, teacher, price=PRICE, sampling=SAMPLING)
    write_lines(ingested / "data/traffic/colour.jsonl", [row(i) for i in range(14)])
    ingest.main("colour")
    rows = table(run("still.cli", "estimate", "colour", cwd=ingested, COLUMNS="120").stdout)
    assert rows["requests in open batches, not asked again"] == ["36"]
    assert rows["requests"] == ["4", "4"]
    assert float(rows["USD"][0]) > 0


def test_rows_that_are_too_long_are_not_new(ingested: Path, teacher: TeacherServer) -> None:
    long = row(20) | {"input": "x" * 50_001}
    write_lines(ingested / "data/traffic/colour.jsonl", [*(row(i) for i in range(12)), long])
    ingest.main("colour")
    assert stale("colour") == []
