"""One request for one reply: rows that wait for the same key share its reply, or its failure."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from promptstill.teacher.known_replies import KnownReplies
from promptstill.teacher.questions import Request
from promptstill.teacher.record import Record


class Once:
    """Asks for every key once in a run. Two rows with the same text have the same keys."""

    def __init__(self, known: KnownReplies) -> None:
        self._known = known
        # Replies in flight, and the failures of keys that were given up. Replies that arrived are known.
        self._shared: dict[str, asyncio.Future[Record]] = {}

    async def reply(self, request: Request, ask: Callable[[Request], Awaitable[Record]]) -> Record:
        """The reply to a request, from `ask` unless the key was asked for before. Raises what `ask` raises,
        for every row that waits."""
        key = request.key
        if key in self._shared:
            # Shielded, because a row that is cancelled must not cancel the others.
            return await asyncio.shield(self._shared[key])
        # Rows are looked up some hundred at a time, so an equal row may have been answered since.
        if record := self._known.get([key]).get(key):
            return record
        shared = self._shared[key] = asyncio.get_running_loop().create_future()
        try:
            record = await ask(request)
        except BaseException as error:
            if isinstance(error, asyncio.CancelledError):
                shared.cancel()
            else:
                shared.set_exception(error)
                # Marks the exception as seen, for the usual case that no other row waits.
                shared.exception()
            raise
        shared.set_result(record)
        del self._shared[key]
        return record
