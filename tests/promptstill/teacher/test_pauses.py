"""How long servers ask to wait, and how long they are waited for."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from promptstill.console.errors import UserError
from promptstill.teacher.pauses import LONGEST_SECONDS, pause_of
from promptstill.teacher.server import Server
from stages.generate import __main__ as generate
from tests.project import configure
from tests.promptstill.teacher.project_state import REQUESTS, ROWS, limits, sampled_rows
from tests.teacher_server import Fault, TeacherServer

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
LIMITED = json.dumps({"error": {"message": "Rate limit reached: 60 a minute"}}).encode()


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "150"}, 150),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": "Sat, 21 Nov 2026 12:02:30 GMT"}, 150),
        ({"retry-after": "Sat, 21 Nov 2026 11:00:00 GMT"}, 0),
        ({"retry-after": "-3"}, 0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({}, None),
        ({"retry-after-ms": "2500", "retry-after": "9"}, 2.5),
        ({"llm_provider-retry-after": "60"}, 60),
        ({"llm_provider-retry-after": "60", "retry-after": "1"}, 1),
        ({"x-ratelimit-reset-requests": "1s"}, 1),
        ({"x-ratelimit-reset-tokens": "6m0s"}, 360),
        ({"x-ratelimit-reset-requests": "1h2m3.5s"}, 3723.5),
        ({"x-ratelimit-reset-requests": "120ms", "x-ratelimit-reset-tokens": "6m0s"}, 0.12),
        (
            {
                "x-ratelimit-reset-requests": "1s",
                "x-ratelimit-remaining-requests": "12",
                "x-ratelimit-reset-tokens": "6m0s",
                "x-ratelimit-remaining-tokens": "0",
            },
            360,
        ),
        ({"llm_provider-x-ratelimit-reset-requests": "7s"}, 7),
        ({"x-ratelimit-reset": "30"}, 30),
        ({"x-ratelimit-reset": str(int(NOW.timestamp()) + 40)}, 40),
        ({"x-ratelimit-reset": str(int(NOW.timestamp() * 1000) + 40_000)}, 40),
        ({"retry-after": "1e300"}, LONGEST_SECONDS),
        ({"retry-after": "Sat, 99 Nov 99999 12:02:30 GMT"}, None),
    ],
)
def test_all_forms_in_which_servers_ask_for_a_pause(headers: dict[str, str], seconds: float | None) -> None:
    assert pause_of(headers, 429, NOW) == (None if seconds is None else pytest.approx(seconds))


def test_only_a_429_is_about_a_rate_limit() -> None:
    """Servers send the state of the limits with every reply."""
    assert pause_of({"x-ratelimit-reset-requests": "1s"}, 503, NOW) is None
    assert pause_of({"retry-after": "3"}, 503, NOW) == 3


def test_a_prefixed_header_is_waited_for_and_counts_no_try(ingested: Path, teacher: TeacherServer) -> None:
    configure(ingested, base_url=teacher.url, max_retries=0, concurrency=1)
    teacher.fault = lambda number, body: (
        Fault(429, {"llm_provider-retry-after": "0.4"}, LIMITED) if number == 3 else None
    )
    generate.main("colour")
    assert len(sampled_rows(ingested)) == ROWS
    assert teacher.arrivals[3] - teacher.arrivals[2] >= 0.4


def test_a_429_that_does_not_say_how_long_gets_growing_pauses_and_counts_no_try(
    ingested: Path, teacher: TeacherServer
) -> None:
    """Nine refusals in a row are more than the tries of a request and the rests of a failing server."""
    configure(ingested, base_url=teacher.url, max_retries=0, concurrency=4, first_wait_seconds=0.005)
    teacher.fault = lambda number, body: Fault(429, body=LIMITED) if 5 <= number < 14 else None
    generate.main("colour")
    assert len(sampled_rows(ingested)) == ROWS
    assert len(teacher.requests) == REQUESTS + 9


def test_pauses_grow_up_to_the_longest_that_is_allowed() -> None:
    server = Server("http://here", None, limits(first_wait_seconds=1, max_wait_seconds=600))  # type: ignore[arg-type]
    now, pauses = 0.0, []
    while not server.lost:
        server.limited(started=now, now=now, asked=None, reason="status 429 (slow down)")
        pauses.append(server.paused_until - now)
        now = server.paused_until
    assert all(0.5 * 2**i <= pause <= 2**i for i, pause in enumerate(pauses[:-1]))
    assert 256 <= max(pauses) <= 600
    assert server.lost == (
        "status 429 (slow down); it still does after pauses of up to 600 s (limits.max_wait_seconds)"
    )
    server.well()
    assert server.refusals == 0


def test_a_run_that_a_rate_limit_ends_says_what_the_server_said(
    ingested: Path, teacher: TeacherServer
) -> None:
    configure(ingested, base_url=teacher.url, max_wait_seconds=0.05)
    teacher.fault = lambda number, body: Fault(429, body=LIMITED)
    with pytest.raises(UserError, match=r"Rate limit reached: 60 a minute.*after pauses of up to 0.05 s"):
        generate.main("colour")


@pytest.mark.parametrize("value", ["1790000000000", "99999999999999999999", "1e308", "9" * 400])
def test_a_wait_that_no_calendar_has_ends_in_one_line(
    ingested: Path, teacher: TeacherServer, value: str
) -> None:
    configure(ingested, base_url=teacher.url, max_wait_seconds=0.05)
    teacher.fault = lambda number, body: Fault(429, {"Retry-After": value}, LIMITED)
    with pytest.raises(UserError, match="Rate limit reached"):
        generate.main("colour")


def test_the_first_failure_of_each_kind_is_said_at_once(
    ingested: Path, teacher: TeacherServer, capsys: pytest.CaptureFixture[str]
) -> None:
    faults: dict[int, Any] = {2: Fault(429, body=LIMITED), 5: 500, 6: 500, 9: Fault(action="reset")}
    teacher.fault = lambda number, body: faults.get(number)
    configure(ingested, base_url=teacher.url, concurrency=1)
    generate.main("colour")
    assert capsys.readouterr().err.splitlines() == [
        f"{teacher.url}: status 429 (Rate limit reached: 60 a minute); the run waits, and asks again",
        f"{teacher.url}: status 500 (fault 500); the run asks again",
        f"{teacher.url}: connection lost; the run asks again",
    ]
