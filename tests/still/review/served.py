"""The review page on loopback: a queue, a server in a thread or a process, and a browser's requests."""

from __future__ import annotations

import html
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests
import uvicorn

from promptstill.core.files import canonical_hash, write_rows
from promptstill.reviews.decisions import Review
from promptstill.rows.identity import input_hash
from still.review.serve import guarded
from tests.project import REPOSITORY, read_lines, row

LABELS = ("red", "green", "blue")


def entry(number: int, **changes: Any) -> dict[str, Any]:
    """A row of the queue whose samples disagree."""
    text = changes.get("input", row(number)["input"])
    made = {
        "id": f"row-{number:03}",
        "input_hash": input_hash(text),
        "reasons": ["samples_disagree"],
        "risk": 0.5,
        "problem": ["samples_disagree", "red"],
        "input": text,
        "source": "chat",
        "slices": [],
        "status": "review",
        "label": "red",
        "answer": "red",
        "teacher_answer": changes.get("answer", "red"),
        "samples": [
            {"response": response, "finish_reason": "stop"}
            for response in changes.pop("replies", ["red", "blue"])
        ],
        "similar": [],
    }
    return made | changes


def write_queue(project: Path, entries: Sequence[dict[str, Any]], task: str = "colour") -> None:
    """Write the queue of a task."""
    write_rows(project / f"data/review/{task}/queue.jsonl", entries)


def decisions(project: Path, task: str = "colour") -> list[dict[str, Any]]:
    """The lines of the decisions."""
    return read_lines(project / f"data/reviews/{task}.jsonl")


def line(number: int, decision: str = "accept", **changes: Any) -> dict[str, Any]:
    """A decision by somebody else."""
    content = {
        "input_hash": input_hash(row(number)["input"]),
        "id": f"row-{number:03}",
        "decision": decision,
        "answer": "red" if decision == "accept" else None,
        "teacher_answer": "red",
        "reviewer": "Bo",
        "at": "2026-04-01T00:00:00.000Z",
    }
    return Review.check(content | changes, "here").model_dump(mode="json")


@contextmanager
def served(task: str = "colour", token: str | None = None) -> Iterator[str]:
    """The address of a page that a thread serves."""
    listening = socket.create_server(("127.0.0.1", 0), backlog=128)
    port = listening.getsockname()[1]
    app = guarded(task, "127.0.0.1", port, token)
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", access_log=False))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(10)


def started(task: str = "colour", port: int = 0) -> tuple[subprocess.Popen[str], str]:
    """The command in a process of its own, and the address that it prints."""
    running = subprocess.Popen(
        [sys.executable, "-m", "still.cli", "review", task, "--port", str(port)],
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert running.stdout is not None
    for printed in running.stdout:
        if printed.startswith("http"):
            return running, printed.strip().rstrip("/")
    raise AssertionError("the server ended")


class Reviewer:
    """A browser without a screen: it keeps cookies, and sends what the page's forms send."""

    def __init__(self, address: str, name: str = "Ada") -> None:
        self.address, self.session = address, requests.Session()
        self.session.headers["Origin"] = address
        named = self.session.post(f"{address}/name", data={"name": name}, allow_redirects=False)
        named.raise_for_status()

    def get(self, path: str = "/", **query: str) -> str:
        """A page."""
        answer = self.session.get(self.address + path, params=query)
        answer.raise_for_status()
        return answer.text

    def post(self, path: str, data: Any) -> requests.Response:
        """What a form sends."""
        return self.session.post(self.address + path, data=data)

    def decide(self, number: int, act: str = "accept", **more: Any) -> requests.Response:
        """A decision about a row whose answer is shown as `shown`, after the line `seen`."""
        shown, seen = canonical_hash(more.pop("shown", "red")), str(more.pop("seen", 0))
        form = {"hash": input_hash(row(number)["input"]), "act": act, "seen": seen, "after": "0"}
        return self.post("/decide", form | {"shown": shown} | more)


def shown_row(page: str) -> str:
    """The id of the row that a page shows."""
    (name,) = re.findall(r'<h2 id="row-title"[^>]*>(.*?)</h2>', page)
    return str(name)


def action(page: str) -> dict[str, Any]:
    """The act that a page remembers."""
    (content,) = re.findall(r'data-action="(.*?)"', page)
    return dict(json.loads(html.unescape(content)))
