"""A teacher on loopback: real HTTP, OpenAI's chat protocol, faults on request."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from tests.project import reply_to


class QuietServer(ThreadingHTTPServer):
    """Clients that are killed reset their connections, which is nothing to report."""

    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class TeacherServer:
    """Answers about the last line of the prompt; `fault(number, body)` may return a status to fail with."""

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []
        self.keys: list[str] = []
        self.seconds = 0.0
        self.fault: Callable[[int, dict[str, Any]], int | None] = lambda number, body: None
        self.reply: Callable[[dict[str, Any]], str] = lambda body: reply_to(last_line(body), as_json=False)
        self._lock = threading.Lock()
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with owner._lock:
                    owner.requests.append(body)
                    owner.keys.append(self.headers.get("Authorization", ""))
                    number = len(owner.requests)
                time.sleep(owner.seconds)
                status = owner.fault(number, body)
                if status is None:
                    self.send_json(200, completion(body, owner.reply(body)))
                else:
                    self.send_json(status, {"error": {"message": f"fault {status}", "type": "test"}})

            def send_json(self, status: int, value: dict[str, Any]) -> None:
                content = json.dumps(value).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                if status == 429:
                    self.send_header("Retry-After", "0")
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *args: object) -> None:
                """Stay silent."""

        self._server = QuietServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def last_line(body: dict[str, Any]) -> str:
    """The input: what stands under the prompt's last heading."""
    text: str = body["messages"][-1]["content"]
    return text.strip().splitlines()[-1]


def completion(body: dict[str, Any], content: str) -> dict[str, Any]:
    """A chat completion with one choice."""
    return {
        "id": "chatcmpl-test",
        "object": "chat.completion",
        "created": 1_790_000_000,
        "model": body["model"],
        "choices": [
            {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": content}}
        ],
        "usage": {"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 12},
    }
