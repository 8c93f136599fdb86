"""Open batches: found by the keys they hold, in any mode and under any settings; a way out of dead ones."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from promptstill.console.errors import UserError
from promptstill.teacher.journal import Journal
from promptstill.teacher.open_batches import OpenBatches
from stages.generate import __main__ as generate
from stages.ingest import __main__ as ingest
from tests.conftest import Run
from tests.project import REPOSITORY, configure, read_lines, write, write_lines
from tests.promptstill.teacher.project_state import PRICE, REQUESTS, SAMPLING, sampled_rows, spent
from tests.teacher_server import TeacherServer, last_line

BATCH: dict[str, Any] = {"mode": "batch", "batch": {"requests": 100, "poll_seconds": 0.01}}
RUBRIC = "Grade from 0 to 1.\n{input}\n{answer}\n"
PRICED: dict[str, Any] = {"price": PRICE, "sampling": SAMPLING}


def killed_while_waiting(project: Path, teacher: TeacherServer, **settings: Any) -> None:
    """Run generate in batch mode, and kill it when it has looked at its batch for the first time."""
    waiting: dict[str, Any] = {"mode": "batch", "batch": {"requests": 100, "poll_seconds": 60}}
    configure(project, base_url=teacher.url, **waiting, **settings)
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    running = subprocess.Popen([sys.executable, "-m", "stages.generate", "colour"], env=environment)
    while not any(batch["polls"] for batch in teacher.batches.values()) and running.poll() is None:
        time.sleep(0.01)
    running.send_signal(signal.SIGKILL)
    running.wait()


def open_batches(project: Path) -> list[str]:
    with Journal(project / ".still/journal.sqlite") as journal:
        return [batch.token for batch in OpenBatches(journal).all()]


@pytest.mark.parametrize("changed", ["mode", "title", "rubric", "max_usd"])
def test_a_batch_is_found_whatever_has_changed_around_its_keys(
    ingested: Path, teacher: TeacherServer, changed: str
) -> None:
    write(ingested / "prompts/colour/rubric.md", RUBRIC)
    killed_while_waiting(ingested, teacher, **PRICED)
    now: dict[str, Any] = {"base_url": teacher.url, **BATCH, **PRICED}
    graded = 0
    if changed == "mode":
        now = {"base_url": teacher.url, **PRICED}
    elif changed == "title":
        schema = ingested / "expectations/colour/answer.schema.json"
        write(schema, json.dumps(json.loads(schema.read_text()) | {"title": "A colour"}))
    elif changed == "rubric":
        teacher.reply = lambda body: "0.5" if "Grade" in body["messages"][0]["content"] else "red"
        # The answers of both samples are the same, so each input has one grade.
        now, graded = now | {"grade": True}, 18
    else:
        now = now | {"max_usd": 0.0}
    configure(ingested, **now)
    generate.main("colour")
    assert len(teacher.requests) == REQUESTS + graded
    assert len(teacher.batches) == (2 if graded else 1)
    assert open_batches(ingested) == []


def test_a_batch_of_another_address_is_taken_from_there(ingested: Path, teacher: TeacherServer) -> None:
    killed_while_waiting(ingested, teacher)
    with TeacherServer() as moved:
        configure(ingested, base_url=moved.url, api_key_env="ANOTHER_KEY", **BATCH)
        generate.main("colour")
        assert (moved.requests, moved.files) == ([], {})
    assert len(teacher.requests) == REQUESTS


def test_a_batch_that_was_never_uploaded_is_asked_online(ingested: Path, teacher: TeacherServer) -> None:
    with TeacherServer() as gone:
        address = gone.url
    configure(ingested, base_url=address, max_retries=0, max_usd=1.0, **BATCH, **PRICED)
    with pytest.raises(UserError, match="continues with what was sent"):
        generate.main("colour")
    assert len(open_batches(ingested)) == 1
    configure(ingested, base_url=teacher.url, max_usd=1.0, **PRICED)
    generate.main("colour")
    assert (len(teacher.requests), open_batches(ingested)) == (REQUESTS, [])
    assert spent(ingested)[0] == REQUESTS * 18_000_000


@pytest.mark.parametrize("mode", ["online", "batch"])
def test_inputs_with_the_same_text_are_asked_once(ingested: Path, teacher: TeacherServer, mode: str) -> None:
    traffic = read_lines(ingested / "data/traffic/colour.jsonl")
    golden = read_lines(ingested / "golden/colour.jsonl")
    for case, row in zip(golden, traffic, strict=False):
        case["input"] = row["input"]
    write_lines(ingested / "golden/colour.jsonl", golden)
    ingest.main("colour")
    configure(ingested, base_url=teacher.url, **(BATCH if mode == "batch" else {}))
    generate.main("colour")
    assert len(teacher.requests) == 2 * 12
    cases = read_lines(ingested / "data/generate/colour/golden.jsonl")
    assert [len(case["samples"]) for case in cases] == 6 * [2]


@pytest.mark.parametrize("mode", ["online", "batch"])
def test_inputs_with_the_same_text_are_given_up_together(
    ingested: Path, teacher: TeacherServer, mode: str
) -> None:
    text = read_lines(ingested / "data/traffic/colour.jsonl")[3]["input"]
    golden = read_lines(ingested / "golden/colour.jsonl")
    golden[2]["input"] = text
    write_lines(ingested / "golden/colour.jsonl", golden)
    ingest.main("colour")
    teacher.fault = lambda number, body: 400 if last_line(body) == text else None
    configure(ingested, base_url=teacher.url, max_failure_fraction=0.2, **(BATCH if mode == "batch" else {}))
    generate.main("colour")
    assert [row["id"] for row in read_lines(ingested / "data/generate/colour/dead.jsonl")] == ["row-003"]
    metrics = json.loads((ingested / "data/generate/colour/metrics.json").read_text())
    assert metrics["golden_unanswered"] == 1
    refused = sum(last_line(body) == text for body in teacher.requests)
    assert refused == (1 if mode == "online" else 2), "an online row is given up with its first sample"


def test_a_server_may_answer_twice_or_write_nonsense_into_its_results(
    ingested: Path, teacher: TeacherServer
) -> None:
    killed_while_waiting(ingested, teacher, **PRICED)
    teacher.batch_repeats = 2
    configure(ingested, base_url=teacher.url, **BATCH, **PRICED)
    (batch,) = teacher.batches.values()
    teacher._run_batch(batch)
    # So that it is not run again when it is polled.
    batch["polls"] = 2
    name, content = teacher.files[batch["output"]]
    nonsense = [b"", b"[]", b"{", b'"x"', b'{"custom_id": 7}', b'{"custom_id": "x", "response": []}']
    nonsense += [b"[" * 100_000, b'{"custom_id": "x", "response": {"status_code": "200"}}', b"9" * 5000]
    teacher.files[batch["output"]] = (name, content + b"\n".join(nonsense))
    generate.main("colour")
    assert len(sampled_rows(ingested)) == 12
    assert len(teacher.requests) == REQUESTS
    assert spent(ingested) == (2 * REQUESTS * 18_000_000, 2 * REQUESTS, 0), "both answers may be billed"


def test_a_result_that_is_missing_may_have_been_billed(ingested: Path, teacher: TeacherServer) -> None:
    killed_while_waiting(ingested, teacher, **PRICED)
    configure(ingested, base_url=teacher.url, **BATCH, **PRICED)
    (batch,) = teacher.batches.values()
    teacher._run_batch(batch)
    batch["polls"] = 2
    name, content = teacher.files[batch["output"]]
    teacher.files[batch["output"]] = (name, b"\n".join(content.splitlines()[1:]))
    generate.main("colour")
    paid, calls, failed = spent(ingested)
    assert (calls, failed) == (REQUESTS + 1, 1)
    assert paid > (REQUESTS + 1) * 18_000_000


def test_a_batch_that_the_server_has_lost_can_be_dropped(
    ingested: Path, teacher: TeacherServer, run: Run
) -> None:
    killed_while_waiting(ingested, teacher, **PRICED)
    (token,) = open_batches(ingested)
    teacher.batches.clear()
    configure(ingested, base_url=teacher.url, **BATCH, **PRICED)
    with pytest.raises(UserError, match=f"no such batch.*still journal drop-batch {token}"):
        generate.main("colour")
    stats = run("still.cli", "journal", "stats", cwd=ingested, COLUMNS="200").stdout
    assert token[:12] in stats
    unknown = run("still.cli", "journal", "drop-batch", "abc", cwd=ingested)
    assert unknown.returncode == 1
    assert f"no open batch abc; open are: {token}" in unknown.stderr
    dropped = run("still.cli", "journal", "drop-batch", token[:8], cwd=ingested)
    assert "36 requests of colour will be asked again" in dropped.stdout
    paid, calls, failed = spent(ingested)
    assert paid > REQUESTS * 18_000_000, "the server may have run it"
    assert (calls, failed) == (1, 1)
    generate.main("colour")
    assert len(sampled_rows(ingested)) == 12


def test_a_batch_in_use_is_not_dropped(ingested: Path, teacher: TeacherServer, run: Run) -> None:
    killed_while_waiting(ingested, teacher)
    (token,) = open_batches(ingested)
    with Journal(ingested / ".still/journal.sqlite") as journal, OpenBatches(journal).mine(token):
        ended = run("still.cli", "journal", "drop-batch", token, cwd=ingested)
    assert ended.returncode == 1
    assert f"batch {token}: process {os.getpid()} waits for its results" in ended.stderr
    assert open_batches(ingested) == [token]


OLD = """
CREATE TABLE batches (
    token TEXT PRIMARY KEY, base_url TEXT NOT NULL, keys TEXT NOT NULL, scope TEXT NOT NULL,
    held INTEGER NOT NULL, file_id TEXT, batch_id TEXT
) WITHOUT ROWID
"""


@pytest.mark.parametrize("with_file", [True, False])
def test_open_batches_of_the_second_format_are_taken_over(
    ingested: Path, teacher: TeacherServer, with_file: bool
) -> None:
    killed_while_waiting(ingested, teacher, **PRICED)
    path = ingested / ".still/journal.sqlite"
    (token,) = open_batches(ingested)
    with sqlite3.connect(path) as database:
        (line,) = database.execute("SELECT base_url, scope, held, file_id, batch_id FROM batches").fetchall()
        requests = database.execute("SELECT key, row_id, sample, kind, body FROM batch_requests").fetchall()
        database.execute("DROP TABLE batches")
        database.execute("DROP TABLE batch_requests")
        database.execute(OLD)
        keys = json.dumps({key: rest[:3] for key, *rest in requests})
        database.execute(
            "INSERT INTO batches VALUES (?, ?, ?, ?, ?, ?, ?)", (token, line[0], keys, *line[1:])
        )
        database.execute("PRAGMA user_version = 2")
    lines = [{"custom_id": key, "body": json.loads(body)} for key, *_, body in requests]
    # JSON leaves such ends of lines as they are.
    lines[0]["body"]["user"] = "a\u2028b\u0085c"
    if with_file:
        write_lines(ingested / f".still/batches/promptstill-{token}.jsonl", lines)
    configure(ingested, base_url=teacher.url, **BATCH, **PRICED)
    generate.main("colour")
    assert len(sampled_rows(ingested)) == 12
    assert len(teacher.batches) == (1 if with_file else 2)
    paid = REQUESTS * 18_000_000
    assert spent(ingested)[0] == (paid if with_file else paid + line[2])
    assert not (ingested / ".still/batches").exists()
