"""A teacher on loopback: real HTTP, OpenAI's chat, files and batches calls, faults on request."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from tests.project import reply_to


@dataclass(frozen=True)
class Fault:
    """How a request is treated instead of being answered.

    `status` with `headers` and `body`; or `action`: `reset` the connection, close it `half` way through the
    reply, `stall` and say nothing. A `status` of 200 with a `body` sends that body.
    """

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None
    action: str = ""


@dataclass
class TeacherServer:
    """Answers about the last line of the prompt.

    `fault(number, body)` may return a status or a Fault for the request with that number, from 1 on; `reply`
    makes the text; `finish` the finish reason; `seconds` is how long an answer takes. `arrivals` holds the
    time of each request. Of `upload` and `batch`, those in `silent_after` are done and never replied to.
    `batch_answers` lets the next batch expire after this many answers. Every line of a batch's results
    is there `batch_repeats` times.
    """

    port: int = 0
    requests: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    arrivals: list[float] = field(default_factory=list)
    seconds: float = 0.0
    fault: Callable[[int, dict[str, Any]], int | Fault | None] = lambda number, body: None
    reply: Callable[[dict[str, Any]], str] = lambda body: reply_to(last_line(body), as_json=False)
    finish: Callable[[dict[str, Any]], str] = lambda body: "stop"
    most_in_flight: int = 0
    files: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    batches: dict[str, dict[str, Any]] = field(default_factory=dict)
    batch_answers: int | None = None
    batch_repeats: int = 1
    silent_after: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._in_flight = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _start(self) -> None:
        app = web.Application(client_max_size=2**28)
        app.router.add_post("/v1/chat/completions", self._chat)
        app.router.add_post("/v1/files", self._upload)
        app.router.add_get("/v1/files", self._list_files)
        app.router.add_get("/v1/files/{id}/content", self._content)
        app.router.add_post("/v1/batches", self._start_batch)
        app.router.add_get("/v1/batches", self._list_batches)
        app.router.add_get("/v1/batches/{id}", self._batch)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, backlog=4096)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def _end(self) -> None:
        await self._runner.cleanup()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.requests.append(body)
        self.keys.append(request.headers.get("Authorization", ""))
        self.arrivals.append(time.monotonic())
        number = len(self.requests)
        self._in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self._in_flight)
        try:
            if self.seconds:
                await asyncio.sleep(self.seconds)
        finally:
            self._in_flight -= 1
        return await self._respond(request, body, self.fault(number, body))

    async def _respond(
        self, request: web.Request, body: dict[str, Any], fault: int | Fault | None
    ) -> web.StreamResponse:
        if isinstance(fault, int):
            fault = Fault(fault)
        if fault is None:
            return web.json_response(self.completion(body))
        assert request.transport is not None
        if fault.action == "reset":
            request.transport.abort()
        elif fault.action == "half":
            content = json.dumps(self.completion(body)).encode()
            head = (
                f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
            )
            request.transport.write(head.encode() + content[: len(content) // 2])
            request.transport.close()
        elif fault.action == "stall":
            await asyncio.sleep(3600)
        error = {"error": {"message": f"fault {fault.status}", "type": "test"}}
        content = fault.body if fault.body is not None else json.dumps(error).encode()
        headers = {"Content-Type": "application/json"} | fault.headers
        return web.Response(status=fault.status, body=content, headers=headers)

    def completion(self, body: dict[str, Any]) -> dict[str, Any]:
        """A chat completion with one choice."""
        message = {"role": "assistant", "content": self.reply(body)}
        choice: dict[str, Any] = {"index": 0, "finish_reason": self.finish(body), "message": message}
        if body.get("logprobs"):
            choice["logprobs"] = {
                "content": [{"token": "a", "logprob": -0.25}, {"token": "b", "logprob": -0.5}]
            }
        return {
            "id": "chatcmpl-test",
            "object": "chat.completion",
            "created": 1_790_000_000,
            "model": body["model"],
            "choices": [choice],
            "usage": {"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 12},
        }

    async def _upload(self, request: web.Request) -> web.Response:
        form = await request.post()
        upload = form["file"]
        assert isinstance(upload, web.FileField)
        name = f"file-{len(self.files)}"
        self.files[name] = (upload.filename, upload.file.read())
        if "upload" in self.silent_after:
            await asyncio.sleep(3600)
        return web.json_response(self._file(name))

    def _file(self, name: str) -> dict[str, Any]:
        filename, content = self.files[name]
        about = {"id": name, "object": "file", "filename": filename, "bytes": len(content)}
        return about | {"status": "processed", "created_at": 1_790_000_000, "purpose": "batch"}

    async def _list_files(self, request: web.Request) -> web.Response:
        files = [self._file(name) for name in self.files]
        return web.json_response({"object": "list", "data": files, "has_more": False})

    async def _content(self, request: web.Request) -> web.Response:
        return web.Response(body=self.files[request.match_info["id"]][1])

    async def _start_batch(self, request: web.Request) -> web.Response:
        asked = await request.json()
        name = f"batch-{len(self.batches)}"
        self.batches[name] = {"polls": 0, "input": asked["input_file_id"], "metadata": asked["metadata"]}
        if "batch" in self.silent_after:
            await asyncio.sleep(3600)
        return web.json_response(self._state(name))

    async def _list_batches(self, request: web.Request) -> web.Response:
        states = [self._state(name) for name in self.batches]
        return web.json_response({"object": "list", "data": states, "has_more": False})

    async def _batch(self, request: web.Request) -> web.Response:
        name = request.match_info["id"]
        if name not in self.batches:
            return web.json_response({"error": {"message": f"no such batch: {name}"}}, status=404)
        batch = self.batches[name]
        batch["polls"] += 1
        if batch["polls"] == 2:
            self._run_batch(batch)
        return web.json_response(self._state(name))

    def _run_batch(self, batch: dict[str, Any]) -> None:
        """Answer the batch; if `batch_answers` is set, it expires once after that many requests."""
        asked = [json.loads(line) for line in self.files[batch["input"]][1].splitlines()]
        done = asked if self.batch_answers is None else asked[: self.batch_answers]
        batch["status"] = "completed" if len(done) == len(asked) else "expired"
        self.batch_answers = None
        good, bad = [], []
        for line in done:
            self.requests.append(line["body"])
            status = self.fault(len(self.requests), line["body"])
            if status is None:
                response = {"status_code": 200, "body": self.completion(line["body"])}
                good.append({"custom_id": line["custom_id"], "response": response, "error": None})
            else:
                assert isinstance(status, int)
                response = {"status_code": status, "body": {"error": {"message": f"fault {status}"}}}
                bad.append({"custom_id": line["custom_id"], "response": response, "error": None})
        for kind, results in (("output", good), ("error", bad)):
            if results:
                name = f"file-{len(self.files)}"
                lines = [json.dumps(result) + "\n" for result in results]
                content = "".join(self.batch_repeats * line for line in lines).encode()
                self.files[name] = (f"{kind}.jsonl", content)
                batch[kind] = name

    def _state(self, name: str) -> dict[str, Any]:
        batch = self.batches[name]
        return {
            "id": name,
            "object": "batch",
            "endpoint": "/v1/chat/completions",
            "input_file_id": batch["input"],
            "completion_window": "24h",
            "created_at": 1_790_000_000,
            "status": batch.get("status", "in_progress"),
            "output_file_id": batch.get("output"),
            "error_file_id": batch.get("error"),
            "metadata": batch["metadata"],
        }


def last_line(body: dict[str, Any]) -> str:
    """The input: the text under the prompt's last heading."""
    text: str = body["messages"][-1]["content"]
    return text.strip().splitlines()[-1]
