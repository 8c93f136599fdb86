"""Whether a denied request (401, 403) is about the API key or about its row alone."""

from __future__ import annotations

from promptstill.teacher.replies import Verdict
from promptstill.teacher.session import Session

# Different requests that a server must deny, before it has accepted any, for the key to be the cause.
DENIED_FOR_THE_KEY = 5


class Access:
    """What the servers of a run have accepted and denied.

    Some servers answer 403 about a single row, and that row may be the first. A denied row is therefore given
    up once the key has been accepted, and before that, until several different requests were denied.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        # An answer in the journal shows that these questions were accepted before. A key may have been
        # withdrawn since, which is a 401.
        self._before = session.known.from_journal > 0
        self._accepted = False
        self._denied = 0
        self._last: Verdict | None = None

    def accept(self) -> None:
        """A request was answered."""
        self._accepted = True

    def deny(self, verdict: Verdict) -> bool:
        """A request was denied. Returns whether the key is the cause."""
        self._denied, self._last = self._denied + 1, verdict
        return bool(self.doubt()) and (verdict.kind == "key" or self._denied >= DENIED_FOR_THE_KEY)

    def doubt(self) -> str:
        """What may be wrong with the key; empty if requests were accepted, or none was denied."""
        if self._last is None or self._accepted or (self._last.kind == "deny" and self._before):
            return ""
        settings = self._session.settings
        if self._session.api_key is None:
            return f"no API key is set: put it into {settings.api_key_env} in the environment or in .env"
        return f"the API key in {settings.api_key_env} is refused, or may not use {settings.model}"
