"""The servers that are asked: choosing one, waiting for one that rests, and ending when none is left."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field

from promptstill.teacher.server import Server


class AllOutError(Exception):
    """No server can be used any more in this run; the message says why."""


# URLs of the servers that a request has failed on.
Failed = frozenset[str]


@dataclass
class Fleet:
    """All servers, and the requests that wait for one, served in order of arrival."""

    servers: list[Server]
    _waiting: deque[tuple[asyncio.Future[Server], Failed]] = field(default_factory=deque)
    _closed: str = ""
    _alarm: asyncio.TimerHandle | None = None

    async def place(self, failed: Failed = frozenset()) -> Server:
        """A server that may be asked now, with one slot on it taken. Raises AllOutError if none is left.

        A request that failed waits for a server that it has not been to, if one is not lost. Otherwise it
        would use up its tries where there is room, which is where everything fails.
        """
        if self._closed:
            raise AllOutError(self._closed)
        if not self._waiting and (server := self._ready(failed)) is not None:
            server.in_flight += 1
            return server
        future: asyncio.Future[Server] = asyncio.get_running_loop().create_future()
        self._waiting.append((future, failed))
        self._serve()
        return await future

    def has_other(self, failed: Failed) -> bool:
        """Whether a server is left that a request has not failed on."""
        return any(server.url not in failed and not server.lost for server in self.servers)

    def leave(self, server: Server) -> None:
        """Give a slot back and pass it on."""
        server.in_flight -= 1
        self._serve()

    def close(self, reason: str) -> None:
        """Give out no further slot; waiting requests get AllOutError."""
        self._closed = reason
        while self._waiting:
            future, _ = self._waiting.popleft()
            if not future.done():
                future.set_exception(AllOutError(reason))

    def _ready(self, failed: Failed) -> Server | None:
        now = asyncio.get_running_loop().time()
        others = [s for s in self.servers if s.url not in failed and not s.lost] if failed else []
        ready = [server for server in others or self.servers if server.ready(now)]
        return min(ready, key=lambda server: server.in_flight / server.allowed, default=None)

    def _serve(self) -> None:
        """Give slots to waiting requests; run again when the next rest ends."""
        still: deque[tuple[asyncio.Future[Server], Failed]] = deque()
        while self._waiting and self._ready(frozenset()) is not None:
            future, failed = self._waiting.popleft()
            # The worker that waited was cancelled.
            if future.done():
                continue
            if (server := self._ready(failed)) is None:
                still.append((future, failed))
            else:
                server.in_flight += 1
                future.set_result(server)
        self._waiting.extendleft(reversed(still))
        if all(server.lost for server in self.servers):
            self.close("; ".join(f"{server.url}: {server.lost}" for server in self.servers))
        if not self._waiting:
            return
        loop = asyncio.get_running_loop()
        resting = [server.paused_until for server in self.servers if server.paused_until > loop.time()]
        if self._alarm is not None:
            self._alarm.cancel()
        if resting:
            self._alarm = loop.call_at(min(resting) + 0.001, self._serve)
