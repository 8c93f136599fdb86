"""Servers that limit the rate, rest and return."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from promptstill.console.errors import UserError
from promptstill.teacher.server import Server
from stages.generate import __main__ as generate
from tests.project import configure
from tests.promptstill.teacher.project_state import REQUESTS, ROWS, limits, sampled_rows
from tests.teacher_server import Fault, TeacherServer


@pytest.mark.parametrize("as_date", [False, True])
def test_nothing_is_sent_before_retry_after(ingested: Path, teacher: TeacherServer, as_date: bool) -> None:
    limited_at: list[float] = []
    # A date has whole seconds, so the pause may be up to a second shorter.
    pause = 2.0 if as_date else 1.0

    def fault(number: int, body: dict[str, Any]) -> Fault | None:
        if number != 12:
            return None
        limited_at.append(time.monotonic())
        date = format_datetime(datetime.now(UTC) + timedelta(seconds=pause), usegmt=True)
        return Fault(429, {"Retry-After": date if as_date else str(pause)})

    teacher.fault = fault
    teacher.seconds = 0.02
    generate.main("colour")
    # Requests that were in flight arrive around the same time as the refused one.
    late = [at - limited_at[0] for at in teacher.arrivals if at > limited_at[0] + 0.1]
    assert min(late) >= pause - (1.0 if as_date else 0.0)
    assert len(teacher.requests) == REQUESTS + 1


def test_a_wait_of_minutes_is_kept_and_a_longer_one_ends_the_run(
    ingested: Path, teacher: TeacherServer
) -> None:
    server = Server("http://here", None, limits(max_wait_seconds=600))  # type: ignore[arg-type]
    server.limited(started=5.0, now=10.0, asked=150.0, reason="status 429")
    assert not server.lost
    assert not server.ready(159.9)
    assert server.ready(160.1)

    teacher.fault = lambda number, body: Fault(429, {"Retry-After": "700"})
    with pytest.raises(
        UserError, match=r"asks to wait until \d{4}-.* UTC, longer than limits.max_wait_seconds"
    ):
        generate.main("colour")
    assert len(teacher.requests) <= 8, "only what was in flight"


def test_a_server_that_limits_the_rate_gets_fewer_requests_in_flight(
    ingested: Path, teacher: TeacherServer
) -> None:
    """A server with few places refuses more than three requests at once."""
    in_flight = threading.Semaphore(3)

    def fault(number: int, body: dict[str, Any]) -> Fault | None:
        return Fault(429) if teacher.most_in_flight > 3 and not in_flight.acquire(blocking=False) else None

    teacher.seconds = 0.02
    teacher.fault = fault
    configure(ingested, base_url=teacher.url, concurrency=16, max_retries=8)

    def release() -> None:
        while not done.wait(0.02):
            in_flight.release()

    done = threading.Event()
    thread = threading.Thread(target=release)
    thread.start()
    try:
        generate.main("colour")
    finally:
        done.set()
        thread.join()
    assert len(sampled_rows(ingested)) == ROWS


def test_no_minute_has_more_requests_than_the_limit(ingested: Path, teacher: TeacherServer) -> None:
    configure(ingested, base_url=teacher.url, requests_per_minute=1200, concurrency=16)
    generate.main("colour")
    arrivals = sorted(teacher.arrivals)
    spans = [later - earlier for earlier, later in zip(arrivals, arrivals[20:], strict=False)]
    assert min(spans) >= 0.9, "20 requests a second"
    server = Server("http://here", None, limits(tokens_per_minute=6000))  # type: ignore[arg-type]
    assert [server.turn(100, now=0.0) for _ in range(3)] == [0.0, 1.0, 2.0]


def test_a_server_that_starts_late_is_waited_for(ingested: Path) -> None:
    with TeacherServer() as spare:
        port = spare.port
    late = TeacherServer(port=port)
    configure(ingested, base_url=late.url, max_retries=8, first_wait_seconds=0.1, concurrency=2)
    starter = threading.Timer(0.8, late.__enter__)
    starter.start()
    try:
        generate.main("colour")
    finally:
        starter.join()
        late.__exit__(None, None, None)
    assert len(late.requests) == REQUESTS


def test_a_failing_server_rests_and_is_asked_again_beside_others(
    ingested: Path, teacher: TeacherServer
) -> None:
    with TeacherServer() as failing:
        failing.fault = lambda number, body: 500 if number <= 7 else None
        failing.seconds = teacher.seconds = 0.02
        configure(ingested, base_url=[failing.url, teacher.url], concurrency=2, first_wait_seconds=0.02)
        generate.main("colour")
        assert len(sampled_rows(ingested)) == ROWS
        assert len(failing.requests) > 7, "it is asked again after its rests"
        assert len(failing.requests) + len(teacher.requests) == REQUESTS + 7


def test_the_other_servers_answer_everything_if_a_server_is_gone(
    ingested: Path, teacher: TeacherServer
) -> None:
    with TeacherServer() as gone:
        address = gone.url
    configure(ingested, base_url=[address, teacher.url], concurrency=2, max_retries=1)
    generate.main("colour")
    assert len(teacher.requests) == REQUESTS


def test_a_new_server_in_the_fleet_asks_nothing_again(ingested: Path, teacher: TeacherServer) -> None:
    generate.main("colour")
    with TeacherServer() as other:
        configure(ingested, base_url=[other.url, teacher.url])
        generate.main("colour")
        assert other.requests == []
