"""Keys that are refused, rows that are refused, and servers that cannot be reached."""

from __future__ import annotations

import json
import socket
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from promptstill.console.errors import UserError
from promptstill.teacher.api_key import check_api_key
from stages.generate import __main__ as generate
from tests.project import configure, read_lines, row
from tests.promptstill.teacher.project_state import PRICE, ROWS, SAMPLING, sampled_rows, spent
from tests.teacher_server import Fault, TeacherServer, last_line

FLAGGED = json.dumps({"error": {"message": "Your input was flagged", "code": 403}}).encode()


@pytest.mark.parametrize("concurrency", [1, 8])
@pytest.mark.parametrize("flagged", [0, 7], ids=["the first row", "a later row"])
def test_a_row_that_is_denied_is_given_up(
    ingested: Path, teacher: TeacherServer, concurrency: int, flagged: int
) -> None:
    text = row(flagged)["input"]
    teacher.fault = lambda number, body: Fault(403, body=FLAGGED) if last_line(body) == text else None
    configure(ingested, base_url=teacher.url, concurrency=concurrency, max_failure_fraction=0.1)
    generate.main("colour")
    (dead,) = read_lines(ingested / "data/generate/colour/dead.jsonl")
    assert (dead["id"], dead["reason"]) == (f"row-{flagged:03}", "status 403 (Your input was flagged)")
    assert len(sampled_rows(ingested)) == ROWS - 1
    asked = len(teacher.requests)
    generate.main("colour")
    assert len(teacher.requests) == asked + 1, "the row alone is asked about, and given up again"


@pytest.mark.parametrize("status", [401, 403])
def test_a_key_that_is_denied_stops_the_run(ingested: Path, teacher: TeacherServer, status: int) -> None:
    teacher.fault = lambda number, body: status
    configure(ingested, base_url=teacher.url, concurrency=2, max_failure_fraction=1.0)
    with pytest.raises(
        UserError, match="the API key in TEST_TEACHER_KEY is refused, or may not use test-teacher"
    ):
        generate.main("colour")
    assert len(teacher.requests) <= (3 if status == 401 else 6)
    assert not (ingested / "data/generate/colour/dead.jsonl").exists()


def test_a_key_that_was_withdrawn_stops_the_next_run(ingested: Path, teacher: TeacherServer) -> None:
    teacher.fault = lambda number, body: 400 if last_line(body) == row(3)["input"] else None
    configure(ingested, base_url=teacher.url, max_failure_fraction=0.1)
    generate.main("colour")
    teacher.fault = lambda number, body: 401
    with pytest.raises(UserError, match="the API key in TEST_TEACHER_KEY is refused"):
        generate.main("colour")


def test_a_key_that_is_not_set_is_named(
    ingested: Path, teacher: TeacherServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TEST_TEACHER_KEY")
    teacher.fault = lambda number, body: 401
    with pytest.raises(
        UserError, match=r"no API key is set: put it into TEST_TEACHER_KEY in the environment or"
    ):
        generate.main("colour")


@pytest.mark.parametrize("key", ["sk-1\nsk-2", "schlüssel"])
def test_a_key_that_no_header_can_carry_is_an_error_before_anything_is_sent(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, key: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TEST_TEACHER_KEY", key)
    with pytest.raises(
        UserError, match="TEST_TEACHER_KEY: the key has characters that cannot be sent"
    ) as raised:
        check_api_key("TEST_TEACHER_KEY")
    assert key not in str(raised.value)


def test_a_server_that_is_down_is_named_at_once_with_the_cause(
    ingested: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with TeacherServer() as gone:
        address = gone.url
    configure(ingested, base_url=address, max_retries=1)
    with pytest.raises(UserError) as raised:
        generate.main("colour")
    assert (
        capsys.readouterr().err.splitlines()[0]
        == f"{address}: cannot connect (connection refused); the run asks again"
    )
    assert f"cannot connect (connection refused); asked {address}" in str(raised.value)


def test_a_host_that_does_not_exist_is_named_and_costs_nothing(
    ingested: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    address = "http://no-such-host.invalid/v1"
    settings: dict[str, Any] = {"price": PRICE, "sampling": SAMPLING, "max_usd": 1.0, "max_retries": 0}
    configure(ingested, base_url=address, concurrency=1, **settings)
    with pytest.raises(UserError, match=f"cannot connect .*{address}"):
        generate.main("colour")
    assert capsys.readouterr().err.startswith(f"{address}: cannot connect (")
    assert spent(ingested)[0] == 0


def test_a_server_that_accepts_no_connection_costs_nothing(ingested: Path) -> None:
    """Its queue of connections is full, so the operating system drops every further one."""
    settings: dict[str, Any] = {"price": PRICE, "sampling": SAMPLING, "max_usd": 1.0, "max_retries": 0}
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, ExitStack() as waiting:
        address = full.getsockname()
        for _ in range(2):
            client = waiting.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(address)
        url = f"http://127.0.0.1:{address[1]}/v1"
        configure(ingested, base_url=url, concurrency=1, timeout_seconds=0.6, **settings)
        with pytest.raises(UserError, match="cannot connect"):
            generate.main("colour")
    assert spent(ingested)[0] == 0


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("first", [True, False])
def test_a_server_that_refuses_the_key_is_left_out_and_others_are_asked(
    ingested: Path, teacher: TeacherServer, status: int, first: bool
) -> None:
    with TeacherServer(fault=lambda number, body: status) as closed:
        urls = [closed.url, teacher.url] if first else [teacher.url, closed.url]
        configure(ingested, base_url=urls, concurrency=2)
        generate.main("colour")
        assert len(closed.requests) <= (2 if status == 401 else 6)
    assert len(sampled_rows(ingested)) == ROWS
    assert not read_lines(ingested / "data/generate/colour/dead.jsonl")


def test_a_fleet_that_refuses_the_key_stops_the_run(ingested: Path, teacher: TeacherServer) -> None:
    teacher.fault = lambda number, body: 401
    with TeacherServer(fault=lambda number, body: 401) as closed:
        configure(ingested, base_url=[closed.url, teacher.url], concurrency=2, max_failure_fraction=1.0)
        with pytest.raises(UserError, match="the API key in TEST_TEACHER_KEY is refused") as raised:
            generate.main("colour")
        assert closed.url in str(raised.value)
        assert teacher.url in str(raised.value)


def test_a_row_that_every_server_denies_is_given_up(ingested: Path, teacher: TeacherServer) -> None:
    text = row(0)["input"]

    def fault(number: int, body: dict[str, Any]) -> Fault | None:
        return Fault(403, body=FLAGGED) if last_line(body) == text else None

    teacher.fault = fault
    with TeacherServer(fault=fault) as other:
        configure(ingested, base_url=[other.url, teacher.url], concurrency=1, max_failure_fraction=0.1)
        generate.main("colour")
    assert [line["id"] for line in read_lines(ingested / "data/generate/colour/dead.jsonl")] == ["row-000"]
