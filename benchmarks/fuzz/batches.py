"""A server of the Batch API that damages some of its replies, and a run that collects a batch from it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

from aiohttp import web
from hypothesis import strategies as st

from benchmarks.fuzz.inputs import document, lines
from promptstill.answers.consensus import decide
from promptstill.console.errors import UserError, one_line
from promptstill.core.files import compact_json
from promptstill.rows.row import Sample
from promptstill.teacher.batch_server import ENDED
from promptstill.teacher.collect import Collector
from promptstill.teacher.open_batches import OpenBatch, OpenBatches
from promptstill.teacher.questions import Request
from promptstill.teacher.session import Session, open_session
from tests.params import generate_params
from tests.teacher_server import TeacherServer

KEYS = ("key-0", "key-1", "key-2")
TOKEN = "token"
FILE = {
    "id": "in",
    "object": "file",
    "filename": f"promptstill-{TOKEN}.jsonl",
    "bytes": 1,
    "purpose": "batch",
}
BATCH = {
    "id": "batch",
    "object": "batch",
    "endpoint": "/v1/chat/completions",
    "input_file_id": "in",
    "status": "completed",
    "output_file_id": "out",
    "error_file_id": "err",
    "request_counts": {"total": 3, "completed": 2, "failed": 1},
    "metadata": {"promptstill": TOKEN},
}
FAILED = BATCH | {"status": "failed", "errors": {"data": [{"code": "c", "message": "no", "line": 1}]}}
RUNNING = BATCH | {"status": "in_progress", "output_file_id": None, "error_file_id": None}
DOCUMENTS: dict[str, tuple[Any, ...]] = {
    "list files": ({"object": "list", "data": [FILE], "has_more": False}, {"data": [], "has_more": True}),
    "upload": (FILE,),
    "list batches": ({"object": "list", "data": [BATCH], "has_more": False}, {"data": [], "has_more": True}),
    "start": (RUNNING,),
    "look": (RUNNING, FAILED, *(BATCH | {"status": status} for status in ENDED)),
}
RESULTS = ("out", "err")
TABLES = ("answers", "facts", "ledger", "holds", "batches", "batch_requests")
STATUSES = (200, 200, 200, 201, 204, 307, 400, 401, 404, 429, 500, 503)


@dataclass(frozen=True)
class Exchange:
    """What a server sends by call, how far the batch was, and which of the replies are damaged."""

    replies: dict[str, tuple[int, bytes]]
    file_id: str | None
    batch_id: str | None
    damaged: frozenset[str]


def _result(key: str, status: int, body: object) -> dict[str, Any]:
    return {"custom_id": key, "response": {"status_code": status, "body": body}, "error": None}


def exchanges(completion: dict[str, Any]) -> st.SearchStrategy[Exchange]:
    """Exchanges in which up to two of the server's replies are damaged, and the others are valid."""
    refused = {"error": {"message": "max_tokens is not supported", "param": "max_tokens"}}
    results = [_result(key, 200, completion) for key in KEYS]
    results += [
        _result(KEYS[0], 400, refused),
        _result(KEYS[1], 500, None),
        _result("other", 200, completion),
    ]
    results.append({"custom_id": KEYS[1], "response": None, "error": {"message": "expired"}})
    valid = (json.dumps(_result(KEYS[2], 200, completion)) + "\n").encode()

    @st.composite
    def drawn(draw: st.DrawFn) -> Exchange:
        damaged = draw(st.frozensets(st.sampled_from([*DOCUMENTS, *RESULTS]), max_size=2))
        replies: dict[str, tuple[int, bytes]] = dict.fromkeys(RESULTS, (200, valid))
        for call, values in DOCUMENTS.items():
            value = draw(st.sampled_from(values))
            if call in damaged:
                replies[call] = draw(st.sampled_from(STATUSES)), draw(document(value))
            else:
                replies[call] = 200, json.dumps(value).encode()
        for call in damaged.intersection(RESULTS):
            replies[call] = 200, draw(lines(results))
        file_id, batch_id = draw(st.sampled_from(((None, None), ("in", None), ("in", "batch"))))
        return Exchange(replies, file_id, batch_id, damaged)

    return drawn()


class DamagedServer(TeacherServer):
    """Sends the replies of an exchange. A batch that has not ended has ended when a run looks again."""

    replies: dict[str, tuple[int, bytes]]
    looks: int

    def _send(self, call: str) -> web.Response:
        status, body = self.replies[call]
        return web.Response(status=status, body=body, content_type="application/json")

    async def _list_files(self, request: web.Request) -> web.Response:
        return self._send("list files")

    async def _upload(self, request: web.Request) -> web.Response:
        await request.read()
        return self._send("upload")

    async def _list_batches(self, request: web.Request) -> web.Response:
        return self._send("list batches")

    async def _start_batch(self, request: web.Request) -> web.Response:
        return self._send("start")

    async def _batch(self, request: web.Request) -> web.Response:
        self.looks += 1
        return self._send("look") if self.looks == 1 else web.json_response(BATCH)

    async def _content(self, request: web.Request) -> web.Response:
        name = request.match_info["id"]
        return self._send(name) if name in RESULTS else web.Response(status=404)


@cache
def _server() -> DamagedServer:
    """One server for all inputs, which ends with the process."""
    return DamagedServer().__enter__()


def collect(task: str, exchange: Exchange) -> None:
    """Collect a batch from the server, and check what the journal has afterwards.

    Lines of results may be damaged in any way: the batch is closed, and the valid ones count.
    """
    server = _server()
    server.replies, server.looks = exchange.replies, 0
    settings = generate_params(
        base_url=server.url,
        mode="batch",
        batch={"requests": 10, "poll_seconds": 0.001},
        max_retries=0,
        price={"prompt": 1, "completion": 1},
        sampling={"temperature": 0.7, "max_tokens": 50},
        structured=True,
        logprobs=True,
    )
    with open_session(task, settings) as session:
        batches, collector = OpenBatches(session.journal), Collector(session, server.url)
        _plan(session, batches, exchange)
        try:
            asyncio.run(collector.finish([TOKEN]))
        except UserError:
            assert exchange.damaged - set(RESULTS), "only a damaged document stops the run"
            assert len(batches.holding(KEYS)) == len(KEYS), "nothing is lost"
            raise
        assert not batches.all() and not batches.holding(KEYS), "the batch is closed"
        records = [json.loads(record) for (record,) in session.journal.read("SELECT record FROM answers")]
        assert len(records) == collector.answered
        if len(exchange.damaged) < 2 and exchange.damaged.issubset(RESULTS):
            assert records, "a valid result counts"
        _check(session, records, [collector.refused, *collector.lost.values()])


def _plan(session: Session, batches: OpenBatches, exchange: Exchange) -> None:
    url, questions = session.settings.base_urls[0], session.questions
    batch = OpenBatch(
        TOKEN, url, None, session.task, questions.version, questions.prompt_hash, True, 10,
        exchange.file_id, exchange.batch_id,
    )  # fmt: skip
    body = questions.body("hi")
    with session.journal.transaction() as database:
        # What the inputs before have left. A journal of its own for each input would take most of the time.
        for table in TABLES:
            database.execute(f"DELETE FROM {table}")
        batches.plan(database, batch, ((Request(f"row-{key}", 0, key, body), body) for key in KEYS))


def _check(session: Session, records: Iterable[dict[str, Any]], messages: list[str]) -> None:
    assert session.spent() >= 0
    for message in messages:
        # A message that cannot be printed raises.
        one_line(message).encode()
    for record in records:
        sample: Sample = {
            "sample": 0,
            "response": record["response"],
            "finish_reason": record["finish_reason"],
        }
        compact_json(decide([sample], session.questions.spec)).encode()
