"""The Batch API: chunks, kills at every step, batches that expire, requests that fail inside one."""

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

from stages.generate import __main__ as generate
from stages.shared.errors import UserError
from tests.project import REPOSITORY, configure, read_lines, row
from tests.teacher_server import TeacherServer, last_line
from tests.test_generate_faults import outcome
from tests.test_generate_money import PRICE, SAMPLING, spent

ROWS, REQUESTS, CHUNK = 12, 36, 10


@pytest.fixture
def expected(ingested: Path, teacher: TeacherServer) -> list[dict[str, object]]:
    """What asking online gives; the journal is then forgotten and batch mode set."""
    generate.main("colour")
    found = outcome(ingested)
    (ingested / ".still/journal.sqlite").unlink()
    teacher.requests.clear()
    configure(ingested, base_url=teacher.url, mode="batch", batch={"requests": CHUNK, "poll_seconds": 0.01})
    return found


def uploads(teacher: TeacherServer) -> int:
    return sum(name.startswith("promptstill-") for name, _ in teacher.files.values())


def test_batches_give_what_asking_online_gives(
    ingested: Path, teacher: TeacherServer, expected: list[dict[str, object]]
) -> None:
    generate.main("colour")
    assert outcome(ingested) == expected
    assert (uploads(teacher), len(teacher.batches), len(teacher.requests)) == (4, 4, REQUESTS)
    assert list((ingested / ".still/batches").iterdir()) == []
    generate.main("colour")
    assert uploads(teacher) == 4


def test_an_expired_batch_gives_what_it_has_and_the_rest_is_sent_again(
    ingested: Path, teacher: TeacherServer, expected: list[dict[str, object]]
) -> None:
    teacher.batch_answers = 3
    generate.main("colour")
    assert outcome(ingested) == expected
    assert len(teacher.requests) == REQUESTS, "seven were not answered, and nothing was answered twice"
    assert len(teacher.batches) == 5


def test_requests_that_fail_inside_a_batch(
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
    assert [one["id"] for one in outcome(ingested)] == [
        one["id"] for one in expected if one["id"] != "row-004"
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
    assert outcome(ingested) == expected


def test_a_server_that_is_gone_is_told_and_what_was_sent_is_taken_up(
    ingested: Path, teacher: TeacherServer, expected: list[dict[str, object]]
) -> None:
    with TeacherServer() as gone:
        address = gone.url
    configure(ingested, base_url=address, mode="batch", max_retries=0)
    (ingested / "data/generate/colour/rows.jsonl").unlink()
    with pytest.raises(UserError, match="repeat `dvc repro`, it takes up what was sent"):
        generate.main("colour")
    assert not (ingested / "data/generate/colour/rows.jsonl").exists()
    configure(ingested, base_url=teacher.url, mode="batch")
    generate.main("colour")
    assert outcome(ingested) == expected


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
