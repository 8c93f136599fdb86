"""One server: its client, its rate limits, its rests.

A server rests when it asks for it (Retry-After), when it limits the rate (429), and when several different
requests fail on it in a row. After a rest it gets few requests in flight, and more with every answer.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import openai

from promptstill.teacher.settings import Limits

# Different requests that must fail in a row before a server counts as failing.
FAILURES_IN_A_ROW = 5
LONGEST_BACKOFF = 60.0


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
    refusals: int = 0
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
        self.failures = self.rests = self.refusals = 0
        self.allowed = min(self.limits.concurrency, self.allowed + 1)

    def limited(self, started: float, now: float, asked: float | None, reason: str) -> None:
        """It limited the rate: halve the requests in flight and wait.

        The wait is as long as it asks, and at least a pause that doubles with each refusal in a row. A server
        that still refuses after pauses of up to `max_wait_seconds`, or that asks for a longer one, is out.
        `started` is when the refused request was sent. Requests that were already in flight when the rest
        began say nothing new.
        """
        longest = self.limits.max_wait_seconds
        if asked is not None and asked > longest:
            until = datetime.now(UTC) + timedelta(seconds=asked)
            self.out = (
                f"{reason}; it asks to wait until {until:%Y-%m-%d %H:%M:%S} UTC, longer than "
                "limits.max_wait_seconds"
            )
        elif started >= self.paused_at:
            self.refusals += 1
            pause = self.limits.first_wait_seconds * 2.0 ** (self.refusals - 1)
            if pause > longest:
                self.out = (
                    f"{reason}; it still does after pauses of up to {longest:g} s (limits.max_wait_seconds)"
                )
                return
            self.allowed = max(1, min(self.allowed, self.in_flight) // 2)
            self._rest(now, max(asked or 0.0, pause * random.uniform(0.5, 1.0)))
        elif asked is not None:
            self.paused_until = max(self.paused_until, now + asked)

    def failed(self, started: float, now: float, first_try: bool, reason: str) -> None:
        """A request failed on it. Only first tries count, because a bad row fails on every try."""
        if started < self.paused_at:
            return
        if first_try:
            self.failures += 1
        if self.failures >= FAILURES_IN_A_ROW:
            self.allowed = 1
            self.rests += first_try
            self.complaint = reason
            self._rest(now, backoff(self.limits, max(1, self.rests)))

    def _rest(self, now: float, pause: float) -> None:
        self.paused_until, self.paused_at = max(self.paused_until, now + pause), now


def backoff(limits: Limits, times: int) -> float:
    """Seconds to wait before try `times` + 1: doubling, with jitter over the upper half."""
    longest = min(LONGEST_BACKOFF, limits.first_wait_seconds * 2 ** (times - 1))
    return float(longest * random.uniform(0.5, 1.0))
