"""The Batch API: chunks, kills at every step, batches that expire, requests that fail inside a batch."""

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

from promptstill.console.errors import UserError
from stages.generate import __main__ as generate
from tests.project import REPOSITORY, configure, read_lines, row
from tests.promptstill.teacher.project_state import PRICE, REQUESTS, SAMPLING, sampled_rows, spent
from tests.teacher_server import TeacherServer, last_line

CHUNK = 10


@pytest.fixture
def expected(ingested: Path, teacher: TeacherServer) -> list[dict[str, object]]:
    """The rows that asking online gives. Afterwards the journal is removed and batch mode is set."""
    generate.main("colour")
    rows = sampled_rows(ingested)
    (ingested / ".still/journal.sqlite").unlink()
    teacher.requests.clear()
    configure(ingested, base_url=teacher.url, mode="batch", batch={"requests": CHUNK, "poll_seconds": 0.01})
    return rows


def uploads(teacher: TeacherServer) -> int:
    return sum(name.startswith("promptstill-") for name, _ in teacher.files.values())


def test_batches_give_the_same_rows_as_asking_online(
    ingested: Path, teacher: TeacherServer, expected: list[dict[str, object]]
) -> None:
    generate.main("colour")
    assert sampled_rows(ingested) == expected
    assert (uploads(teacher), len(teacher.batches), len(teacher.requests)) == (4, 4, REQUESTS)
    assert list((ingested / ".still/locks").glob("batch-*")) == []
    generate.main("colour")
    assert uploads(teacher) == 4


def test_the_answers_of_an_expired_batch_are_kept_and_the_rest_is_sent_again(
    ingested: Path, teacher: TeacherServer, expected: list[dict[str, object]]
) -> None:
    teacher.batch_answers = 3
    generate.main("colour")
    assert sampled_rows(ingested) == expected
    assert len(teacher.requests) == REQUESTS, (
        "the seven unanswered requests are sent again, and nothing is answered twice"
    )
    assert len(teacher.batches) == 5


def test_a_row_that_fails_inside_a_batch_is_given_up_and_other_failures_are_sent_again(
    ingested: Path, teacher: TeacherServer, expected: list[dict[str, object]]
) -> None:
    poison = row(4)["input"]
    configure(
        ingested, base_url=teacher.url, mode="batch", max_failure_fraction=0.1,
        batch={"requests": CHUNK, "poll_seconds": 0.01},
    )  # fmt: skip
    teacher.fault = lambda number, body: (
        400 if last_line(body) == poison else 500 if number in (5, 6) else None
    )
    generate.main("colour")
    assert [row["id"] for row in sampled_rows(ingested)] == [
        row["id"] for row in expected if row["id"] != "row-004"
    ]
    (dead,) = read_lines(ingested / "data/generate/colour/dead.jsonl")
    assert dead["reason"] == "status 400 (fault 400)"


@pytest.mark.parametrize("step", ["upload", "batch", "poll"])
def test_a_kill_at_any_step_uploads_nothing_twice(
    ingested: Path, teacher: TeacherServer, expected: list[dict[str, object]], step: str
) -> None:
    if step == "poll":
        configure(ingested, base_url=teacher.url, mode="batch", batch={"requests": 100, "poll_seconds": 60})
    else:
        configure(ingested, base_url=teacher.url, mode="batch", batch={"requests": 100, "poll_seconds": 0.01})
        teacher.silent_after = {step}
    running = subprocess.Popen(
        [sys.executable, "-m", "stages.generate", "colour"], env=os.environ | {"PYTHONPATH": str(REPOSITORY)}
    )
    steps: dict[str, Callable[[], object]] = {
        "upload": lambda: teacher.files,
        "batch": lambda: teacher.batches,
        "poll": lambda: any(batch["polls"] for batch in teacher.batches.values()),
    }
    while not steps[step]() and running.poll() is None:
        time.sleep(0.01)
    running.send_signal(signal.SIGKILL)
    running.wait()

    teacher.silent_after = set()
    configure(ingested, base_url=teacher.url, mode="batch", batch={"requests": 100, "poll_seconds": 0.01})
    generate.main("colour")
    assert (uploads(teacher), len(teacher.batches), len(teacher.requests)) == (1, 1, REQUESTS)
    assert sampled_rows(ingested) == expected


def test_a_server_that_is_gone_is_an_error_and_the_next_run_continues(
    ingested: Path, teacher: TeacherServer, expected: list[dict[str, object]]
) -> None:
    with TeacherServer() as gone:
        address = gone.url
    configure(ingested, base_url=address, mode="batch", max_retries=0)
    (ingested / "data/generate/colour/rows.jsonl").unlink()
    with pytest.raises(UserError, match="repeat `dvc repro`, which continues with what was sent"):
        generate.main("colour")
    assert not (ingested / "data/generate/colour/rows.jsonl").exists()
    configure(ingested, base_url=teacher.url, mode="batch")
    generate.main("colour")
    assert sampled_rows(ingested) == expected


def test_a_batch_holds_its_worst_case_and_the_cap_ends_the_run(
    ingested: Path, teacher: TeacherServer, expected: list[dict[str, object]]
) -> None:
    settings: dict[str, Any] = {
        "mode": "batch",
        "price": PRICE,
        "sampling": SAMPLING,
        "base_url": teacher.url,
    }
    configure(ingested, max_usd=0.0008, **settings)
    with pytest.raises(UserError, match=r"max_usd = 0.0008 leaves no room"):
        generate.main("colour")
    paid, calls, _ = spent(ingested)
    assert 0 < paid <= 0.0008 * 10**12
    assert 0 < calls == len(teacher.requests) < REQUESTS
    configure(ingested, max_usd=1.0, **settings)
    generate.main("colour")
    assert len(teacher.requests) == REQUESTS
