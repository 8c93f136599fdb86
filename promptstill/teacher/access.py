"""Whether a denied request (401, 403) is about the API key or about its row alone."""

from __future__ import annotations

from collections import Counter

from promptstill.teacher.replies import Verdict
from promptstill.teacher.server import Server
from promptstill.teacher.session import Session

# Different requests that a server must deny, before it has accepted any, for the key to be the cause.
DENIED_FOR_THE_KEY = 5


class Access:
    """What each server of a run has accepted and denied.

    Some servers answer 403 about a single row, and that row may be the first. A row that a server denies is
    therefore given up once this server has accepted the key. Before that, the row goes to another server, and
    the server is out after a 401, or after several different requests were denied.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        # An answer in the journal shows that these questions were accepted before. A key may have been
        # withdrawn since, which is a 401.
        self._before = session.known.from_journal > 0
        self._accepted: set[str] = set()
        self._denied: Counter[str] = Counter()
        self._last: Verdict | None = None

    def accept(self, url: str) -> None:
        """A server answered a request."""
        self._accepted.add(url)

    def deny(self, server: Server, verdict: Verdict) -> bool:
        """A server denied a request, and is out if the key is the cause. Returns whether another server may
        accept the request: this one has accepted none."""
        self._last = verdict
        if server.url in self._accepted:
            return False
        if verdict.kind == "key" or not self._before:
            self._denied[server.url] += 1
            if verdict.kind == "key" or self._denied[server.url] >= DENIED_FOR_THE_KEY:
                server.out = verdict.reason
        return True

    def doubt(self) -> str:
        """What may be wrong with the key; empty if requests were accepted, or none was denied."""
        if self._last is None or self._accepted or (self._last.kind == "deny" and self._before):
            return ""
        settings = self._session.settings
        if self._session.api_key is None:
            return f"no API key is set: put it into {settings.api_key_env} in the environment or in .env"
        return f"the API key in {settings.api_key_env} is refused, or may not use {settings.model}"
