"""The servers that are asked: choosing one, pausing it after failures, and resuming it.

A server rests when it asks for it (Retry-After), when it limits the rate (429), and when several different
requests fail on it in a row. After a rest it gets few requests in flight, and more with every answer.
"""

from __future__ import annotations

import asyncio
import math
import random
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx2
import openai

from promptstill.teacher.settings import Limits

# Different requests that must fail in a row before a server counts as failing.
FAILURES_IN_A_ROW = 5
LONGEST_BACKOFF = 60.0


class AllOutError(Exception):
    """No server can be used any more in this run; the message says why."""


@dataclass
class Server:
    """One base_url with its client and its state; times are those of the event loop's clock."""

    url: str
    client: openai.AsyncOpenAI
    limits: Limits
    allowed: int = 0
    in_flight: int = 0
    paused_until: float = 0.0
    paused_at: float = -math.inf
    failures: int = 0
    rests: int = 0
    out: str = ""
    complaint: str = ""
    _next_request: float = 0.0
    _next_tokens: float = 0.0

    def __post_init__(self) -> None:
        self.allowed = self.allowed or self.limits.concurrency

    def ready(self, now: float) -> bool:
        """Whether it may get a request now."""
        return not self.out and self.in_flight < self.allowed and now >= self.paused_until

    @property
    def lost(self) -> str:
        """Why nobody should wait for it: it is out, or it still fails after as many rests as a request has
        tries.

        While other servers work, a failing server is still asked after each rest, and an answer brings it
        back.
        """
        return self.out or (self.complaint if self.rests > self.limits.max_retries + 1 else "")

    def turn(self, tokens: int, now: float) -> float:
        """Reserve the next place under the rate limits, and return its time.

        Requests are spaced evenly, so no minute, wherever it begins, has more of them than the limit.
        """
        turn = now
        if self.limits.requests_per_minute is not None:
            turn = max(turn, self._next_request)
            self._next_request = turn + 60 / self.limits.requests_per_minute
        if self.limits.tokens_per_minute is not None:
            turn = max(turn, self._next_tokens)
            self._next_tokens = turn + 60 * tokens / self.limits.tokens_per_minute
        return turn

    def well(self) -> None:
        """An answer arrived: allow one more request in flight."""
        self.failures = self.rests = 0
        self.allowed = min(self.limits.concurrency, self.allowed + 1)

    def limited(self, started: float, now: float, retry_after: float | None) -> None:
        """It limited the rate: halve the requests in flight and wait as long as it asks.

        `started` is when the refused request was sent. Requests that were already in flight when the rest
        began say nothing new.
        """
        if retry_after is not None and retry_after > self.limits.max_wait_seconds:
            until = datetime.fromtimestamp(datetime.now(UTC).timestamp() + retry_after, UTC)
            self.out = (
                f"asks to wait until {until:%Y-%m-%d %H:%M:%S} UTC, longer than limits.max_wait_seconds"
            )
            return
        if started >= self.paused_at:
            self.allowed = max(1, min(self.allowed, self.in_flight) // 2)
            self._rest(now, retry_after, "refuses every request with 429 or 503")
        elif retry_after is not None:
            self.paused_until = max(self.paused_until, now + retry_after)

    def failed(self, started: float, now: float, first_try: bool, reason: str) -> None:
        """A request failed on it. Only first tries count, because a bad row fails on every try."""
        if started < self.paused_at:
            return
        if first_try:
            self.failures += 1
        if self.failures >= FAILURES_IN_A_ROW:
            self.allowed = 1
            self._rest(now, None, reason, counts=first_try)

    def _rest(self, now: float, retry_after: float | None, reason: str, counts: bool = True) -> None:
        self.rests += counts
        self.complaint = reason
        pause = backoff(self.limits, max(1, self.rests)) if retry_after is None else retry_after
        self.paused_until, self.paused_at = max(self.paused_until, now + pause), now


def connect(urls: tuple[str, ...], api_key: str | None, limits: Limits) -> list[Server]:
    """A client for each server, with as many connections as requests may be in flight.

    The client's own retries are off: they would send again before a long Retry-After has passed, and they
    would not be counted.
    """
    most = limits.concurrency
    connections = httpx2.Limits(max_connections=most, max_keepalive_connections=most)
    return [
        Server(
            url,
            openai.AsyncOpenAI(
                base_url=url,
                api_key=api_key or "no-key-set",
                timeout=None,
                max_retries=0,
                http_client=openai.DefaultAioHttpClient(limits=connections, timeout=None),
            ),
            limits,
        )
        for url in urls
    ]


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


def backoff(limits: Limits, times: int) -> float:
    """Seconds to wait before try `times` + 1: doubling, with jitter over the upper half."""
    longest = min(LONGEST_BACKOFF, limits.first_wait_seconds * 2 ** (times - 1))
    return float(longest * random.uniform(0.5, 1.0))


def retry_after(response: Any, now: datetime) -> float | None:  # noqa: ANN401
    """Seconds that a reply's Retry-After asks for, as a number or as a date (RFC 9110, section 10.2.3)."""
    value = response.headers.get("retry-after")
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            date = parsedate_to_datetime(value)
        except ValueError:
            return None
        seconds = ((date if date.tzinfo else date.replace(tzinfo=UTC)) - now).total_seconds()
    return max(0.0, seconds) if math.isfinite(seconds) else None
