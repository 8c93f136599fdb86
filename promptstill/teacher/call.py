"""One call to one server: a request in, its record out, or the verdict on the failure."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import httpx2
import openai

from promptstill.teacher.capabilities import Capabilities, again, marks
from promptstill.teacher.questions import Request
from promptstill.teacher.record import Record
from promptstill.teacher.replies import Verdict, about, message_of, read_reply, scrub, verdict_on
from promptstill.teacher.server import Server
from promptstill.teacher.session import Session


class Caller:
    """Sends requests in the form that each server accepts."""

    def __init__(self, session: Session) -> None:
        self._session, self._settings = session, session.settings
        self._capabilities = Capabilities(session.journal, session.settings.model)

    async def call(self, request: Request, server: Server) -> Record | Verdict:
        """Send once. Whatever the server sends, this returns; only a journal that cannot be written raises.

        An error that nobody foresaw is a failed try with its name, so that no other request in flight is
        lost.
        """
        sent = self._capabilities.body(request, server.url)
        try:
            return await self._record(request, sent, server)
        except Exception as error:
            return self._verdict(error, sent, server.url)

    async def _record(self, request: Request, sent: dict[str, Any], server: Server) -> Record:
        began = time.monotonic()
        async with asyncio.timeout(self._settings.limits.timeout_seconds):
            # The same call as chat.completions.create, without the walk through typed dictionaries that takes
            # a third of its time: the body is JSON already, and read_reply reads the reply.
            reply = await server.client.post("/chat/completions", body=sent, cast_to=httpx2.Response)
        return {
            **read_reply(reply.content),
            **marks(sent, request.kind, self._settings),
            **about(request, self._session.task, self._session.questions),
            "seconds": round(time.monotonic() - began, 3),
        }

    def _verdict(self, error: Exception, sent: dict[str, Any], url: str) -> Verdict:
        """A refusal is judged by the body that was sent, because another request may have learnt since."""
        secret = self._session.api_key or ""
        if isinstance(error, openai.APIStatusError):
            message = message_of(error.body)
            if refused := self._capabilities.learn(error.status_code, message, sent, url):
                return again(refused, scrub(message, secret))
        return verdict_on(error, secret)
