"""Starting the page: on loopback, or for others in the network with a token."""

from __future__ import annotations

import secrets
import socket

from promptstill.answers.spec import AnswerSpec
from promptstill.console.errors import UserError
from promptstill.core.paths import out
from promptstill.core.settings import require_task
from promptstill.rows.slices import load_slices
from still.review.app import application
from still.review.deciding import Deciding
from still.review.guard import Guard
from still.review.index import ReviewIndex
from still.review.pages import Pages
from still.stale import print_stale

LOOPBACK = ("127.0.0.1", "localhost", "::1")
EVERYWHERE = ("0.0.0.0", "::", "")
HTTP = 80


def guarded(task: str, host: str, port: int, token: str | None) -> Guard:
    """The application for a task. Raises UserError if there is no queue."""
    require_task(task)
    index = ReviewIndex(task, AnswerSpec.load(task))
    pages = Pages(index, load_slices(task))
    names = LOOPBACK if host in LOOPBACK else (host.lower(),)
    hosts = [f"[{name}]" if ":" in name else name for name in names]
    # A browser leaves out the port of its scheme.
    hosts = hosts if port == HTTP else [f"{name}:{port}" for name in hosts]
    return Guard(application(pages, Deciding(index, pages)), hosts, token)


def serve(task: str, host: str, port: int) -> None:
    """Serve the page until it is interrupted. Raises UserError for an address that cannot be used."""
    import uvicorn

    if host in EVERYWHERE:
        raise UserError(f"--host {host}: give the name or address that reviewers open in their browsers")
    listening = _listen(host, port)
    port = listening.getsockname()[1]
    token = None if host in LOOPBACK else secrets.token_urlsafe(24)
    app = guarded(task, host, port, token)
    # Who pulled the queue alone has nothing that could be older than its inputs.
    if out("ingest", task).exists():
        print_stale(task, f"run `dvc repro review@{task}` for today's queue")
    shown = f"[{host}]" if ":" in host else host
    print(f"http://{shown}:{port}/{'' if token is None else '?token=' + token}", flush=True)
    config = uvicorn.Config(app, log_level="warning", access_log=False, server_header=False)
    uvicorn.Server(config).run(sockets=[listening])


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listening = socket.create_server((host, port), family=family, backlog=128)
    except OSError as error:
        raise UserError(f"--host {host} --port {port}: {error.strerror or error}; use another") from None
    # asyncio sets this for sockets that it makes itself. Without it, every answer waits 40 ms for the client.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening
