"""Batch servers that answer with something else, and what a person sees while a batch runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from promptstill.console.errors import UserError
from promptstill.teacher.journal import Journal
from promptstill.teacher.open_batches import OpenBatches
from stages.generate import __main__ as generate
from tests.project import configure, read_lines, row
from tests.promptstill.teacher.project_state import REQUESTS, sampled_rows
from tests.teacher_server import TeacherServer, last_line

BATCH: dict[str, Any] = {"mode": "batch", "batch": {"requests": 100, "poll_seconds": 0.01}}


class OddServer(TeacherServer):
    """`odd` makes the answer to requests of a method and a folder, such as `GET files`. Every state of a
    batch has the fields `state` too."""

    odd: dict[str, Callable[[], web.Response]]
    state: dict[str, Any]

    def _state(self, name: str) -> dict[str, Any]:
        return super()._state(name) | self.state

    def _answer(self, call: str) -> web.Response | None:
        return self.odd[call]() if call in self.odd else None

    async def _list_files(self, request: web.Request) -> web.Response:
        return self._answer("GET files") or await super()._list_files(request)

    async def _upload(self, request: web.Request) -> web.Response:
        return self._answer("POST files") or await super()._upload(request)

    async def _start_batch(self, request: web.Request) -> web.Response:
        return self._answer("POST batches") or await super()._start_batch(request)

    async def _list_batches(self, request: web.Request) -> web.Response:
        return self._answer("GET batches") or await super()._list_batches(request)

    async def _batch(self, request: web.Request) -> web.Response:
        return self._answer("GET batch") or await super()._batch(request)


@pytest.fixture
def odd() -> Iterator[OddServer]:
    server = OddServer()
    server.odd, server.state = {}, {}
    with server:
        yield server


ANSWERS = {
    "HTML": lambda: web.Response(text="<html>welcome</html>", content_type="text/html"),
    "a list": lambda: web.json_response([]),
    "an object": lambda: web.json_response({"detail": "hello"}),
    "half": lambda: web.Response(text='{"data": [', content_type="application/json"),
    "empty": lambda: web.Response(body=b"", content_type="application/json"),
}


@pytest.mark.parametrize("call", ["GET files", "POST files", "GET batches", "POST batches", "GET batch"])
@pytest.mark.parametrize("answer", ANSWERS)
def test_whatever_a_batch_server_answers_is_one_line_and_the_next_run_continues(
    ingested: Path, odd: OddServer, call: str, answer: str
) -> None:
    odd.odd = {call: ANSWERS[answer]}
    configure(ingested, base_url=odd.url, **BATCH)
    with pytest.raises(UserError, match=r"unforeseen \w+ .*continues with what was sent") as raised:
        generate.main("colour")
    assert "\n" not in str(raised.value)
    odd.odd = {}
    generate.main("colour")
    assert (len(sampled_rows(ingested)), len(odd.requests)) == (12, REQUESTS)


def test_a_server_that_repeats_its_first_page_for_ever_is_read_once(ingested: Path, odd: OddServer) -> None:
    file = {"object": "file", "filename": "other.jsonl", "bytes": 1, "purpose": "batch"}
    other = {"object": "batch", "input_file_id": "other", "status": "completed"}
    odd.odd = {
        "GET files": lambda: web.json_response({"object": "list", "data": [file | {"id": "f"}]}),
        "GET batches": lambda: web.json_response({"object": "list", "data": [other | {"id": "b"}]}),
    }
    configure(ingested, base_url=odd.url, **BATCH)
    generate.main("colour")
    assert (len(odd.batches), len(odd.requests)) == (1, REQUESTS)


@pytest.mark.parametrize("counts", [{}, {"total": 3}, {"completed": None, "total": None}, "2 of 3"])
def test_a_batch_with_odd_counts_is_taken(ingested: Path, odd: OddServer, counts: object) -> None:
    odd.state = {"request_counts": counts}
    configure(ingested, base_url=odd.url, **BATCH)
    generate.main("colour")
    assert len(sampled_rows(ingested)) == 12


@pytest.mark.parametrize(
    ("errors", "message"),
    [
        ({"data": [{"message": "no"}, {"code": "b"}, {"message": "nor\nthis"}]}, ": no; nor this"),
        ({"data": ["no"]}, ": no"),
        ({"data": "no"}, ": no"),
        ("no", ": no"),
        ([{"message": "no"}], ": no"),
        ({}, ""),
        (None, ""),
    ],
)
def test_a_batch_that_failed_is_closed_whatever_its_errors_look_like(
    ingested: Path, odd: OddServer, errors: object, message: str
) -> None:
    odd.state = {"status": "failed", "errors": errors}
    configure(ingested, base_url=odd.url, **BATCH)
    with pytest.raises(UserError, match=rf"the server refuses batch batch-0{message}\b"):
        generate.main("colour")
    with Journal(ingested / ".still/journal.sqlite") as journal:
        assert OpenBatches(journal).all() == []


def test_a_line_that_was_limited_is_sent_again(
    ingested: Path, teacher: TeacherServer, capsys: pytest.CaptureFixture[str]
) -> None:
    teacher.fault = lambda number, body: 429 if number in (5, 6) else None
    configure(ingested, base_url=teacher.url, **BATCH)
    generate.main("colour")
    assert len(sampled_rows(ingested)) == 12
    assert not read_lines(ingested / "data/generate/colour/dead.jsonl")
    assert len(teacher.requests) == REQUESTS + 2
    shown = capsys.readouterr().err.splitlines()
    assert shown.count(f"{teacher.url}: status 429 (fault 429); the run asks again") == 1


def test_the_first_failure_of_each_kind_is_shown(
    ingested: Path, teacher: TeacherServer, capsys: pytest.CaptureFixture[str]
) -> None:
    poison = row(4)["input"]
    teacher.fault = lambda number, body: (
        400 if last_line(body) == poison else 500 if number in (5, 6) else None
    )
    configure(ingested, base_url=teacher.url, max_failure_fraction=0.1, **BATCH)
    generate.main("colour")
    shown = [line for line in capsys.readouterr().err.splitlines() if line.startswith(teacher.url)]
    assert sorted(shown) == [
        f"{teacher.url}: status 400 (fault 400); the run gives the row up",
        f"{teacher.url}: status 500 (fault 500); the run asks again",
    ]


def test_a_run_that_stops_counts_every_row_that_lacks_something(
    ingested: Path, teacher: TeacherServer
) -> None:
    teacher.fault = lambda number, body: 400
    configure(ingested, base_url=teacher.url, **BATCH)
    with pytest.raises(UserError, match=r"0 answers arrived and are kept; 18 rows still lack some"):
        generate.main("colour")


def test_a_log_gets_lines_also_between_two_looks_at_a_batch(
    ingested: Path,
    teacher: TeacherServer,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for module in ("collect", "batch_server"):
        monkeypatch.setattr(f"promptstill.teacher.{module}.SILENT_SECONDS", 0.02)
    configure(ingested, base_url=teacher.url, mode="batch", batch={"requests": 100, "poll_seconds": 0.5})
    generate.main("colour")
    shown = capsys.readouterr().err.splitlines()
    assert sum("waiting for batch batch-0" in line for line in shown) > 3
