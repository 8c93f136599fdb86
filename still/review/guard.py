"""Who may use the page: requests from the page itself, to the address that it was started for, and with the
token where others can reach it."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
# Scripts, styles and requests come from this server alone.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    # The page's own forms have to say where they come from.
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Guard:
    """An ASGI application in front of another one. `hosts` are the values of the Host header that are
    answered, and `token` is what a browser has to bring; None on loopback."""

    def __init__(self, app: Any, hosts: Sequence[str], token: str | None) -> None:  # noqa: ANN401
        self._app, self._hosts, self._token = app, frozenset(hosts), token

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        # Two servers of one host have cookies of their own.
        cookie = f"still_token_{(scope.get('server') or ('', 0))[1]}"
        refusal = self._refusal(request)
        if refusal is None and self._token is not None:
            if _equal(request.query_params.get("token", ""), self._token):
                answer = RedirectResponse("/", 303, HEADERS)
                answer.set_cookie(cookie, self._token, httponly=True, samesite="lax")
                await answer(scope, receive, send)
                return
            if not _equal(request.cookies.get(cookie, ""), self._token):
                refusal = "open the address with the token that was printed"
        if refusal is not None:
            await PlainTextResponse(refusal + "\n", 403, HEADERS)(scope, receive, send)
            return

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                sent = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    sent.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, sending)

    def _refusal(self, request: Request) -> str | None:
        host = request.headers.get("host", "").lower()
        if host not in self._hosts:
            return f"this page is not at {host[:100]!r}; open one of {', '.join(sorted(self._hosts))}"
        origins = (f"http://{host}", f"https://{host}")
        if request.method not in ("GET", "HEAD") and request.headers.get("origin", "").lower() not in origins:
            return "a request from another page"
        return None


def _equal(given: str, token: str) -> bool:
    return secrets.compare_digest(given.encode(), token.encode())
