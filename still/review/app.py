"""The page: every address, what it shows and what it appends. The server keeps no state: queue and decisions
are files, and what can be undone is a list in the browser."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, unquote

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from promptstill.console.errors import UserError
from still.review.deciding import Deciding, Typed
from still.review.pages import Pages
from still.review.reviewer import Reviewer

STATIC = Path(__file__).parent / "static"
COOKIE = "still_reviewer"
LONGEST_NAME = 60
YEAR = 365 * 24 * 3600
# Bytes of a request: a form holds one answer, or the rows of a table.
LARGEST = 1_000_000


def application(pages: Pages, deciding: Deciding) -> Starlette:
    """The application, without its guard."""
    return Starlette(
        routes=[
            Route("/", _page(pages.main, pages)),
            Route("/row", _page(pages.next_row, pages)),
            Route("/table", _page(pages.table, pages)),
            Route("/settle", _page(pages.settle, pages)),
            Route("/name", _set_name, methods=["POST"]),
            Route("/decide", _post(deciding.decide), methods=["POST"]),
            Route("/again", _post(deciding.again), methods=["POST"]),
            Route("/bulk/preview", _post(deciding.preview), methods=["POST"]),
            Route("/bulk", _post(deciding.bulk), methods=["POST"]),
            Mount("/static", StaticFiles(directory=STATIC)),
        ],
        exception_handlers={UserError: _one_line},
    )


def _page(show: Callable[[Reviewer, Mapping[str, str]], str], pages: Pages) -> Callable[[Request], Any]:
    """A GET: the reviewer and what the address says in, HTML out. Without a reviewer, the page asks for a
    name."""

    async def endpoint(request: Request) -> Response:
        reviewer = _reviewer(request)
        if reviewer is None:
            return HTMLResponse(await run_in_threadpool(pages.name))
        return HTMLResponse(await run_in_threadpool(show, reviewer, dict(request.query_params)))

    return endpoint


def _post(act: Callable[[Reviewer, Typed], tuple[int, str]]) -> Callable[[Request], Any]:
    """A POST: the reviewer and a form in, status and HTML out."""

    async def endpoint(request: Request) -> Response:
        reviewer = _reviewer(request)
        if reviewer is None:
            return PlainTextResponse("reload the page and give your name\n", 403)
        status, content = await run_in_threadpool(act, reviewer, await _form(request))
        return HTMLResponse(content, status)

    return endpoint


async def _set_name(request: Request) -> Response:
    name = " ".join((await _form(request)).get("name", "").split())[:LONGEST_NAME]
    answer = RedirectResponse("/", 303)
    if name:
        value = f"{secrets.token_hex(4)}:{quote(name)}"
        answer.set_cookie(COOKIE, value, max_age=YEAR, httponly=True, samesite="lax")
    return answer


async def _form(request: Request) -> Typed:
    """The form of a request. Raises UserError if it is too large or not text."""
    content = bytearray()
    async for part in request.stream():
        content += part
        if len(content) > LARGEST:
            raise UserError(f"a form of more than {LARGEST:,} bytes; nothing was saved")
    try:
        return Typed(parse_qsl(content.decode(), keep_blank_values=True, errors="strict"))
    except UnicodeDecodeError:
        raise UserError("the form is not UTF-8; nothing was saved") from None


def _reviewer(request: Request) -> Reviewer | None:
    browser, _, name = request.cookies.get(COOKIE, "").partition(":")
    return Reviewer(unquote(name), browser) if name else None


def _one_line(_: Request, error: Exception) -> Response:
    return PlainTextResponse(f"{error}\n", 400)
