"""What a person should know while a run is going on, once for each kind of event and server."""

from __future__ import annotations

from collections.abc import Callable

from promptstill.teacher.record import Record
from promptstill.teacher.replies import Verdict

# What the run does about a failure, by the kind of its verdict.
REMEDIES = {
    "limit": "waits, and asks again",
    "fail": "asks again",
    "key": "asks another server, and stops if none is left",
    "deny": "gives the row up or asks another server, and stops if nothing is accepted",
    "refuse": "gives the row up",
}


class Notices:
    """Writes the first event of each kind at once; later ones are only counted elsewhere."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self._seen: set[tuple[str, str]] = set()

    def failure(self, url: str, verdict: Verdict) -> None:
        """A try failed: where, the server's words, and what becomes of it."""
        if remedy := verdict.remedy or REMEDIES.get(verdict.kind):
            # The server's words may differ from row to row.
            self._first(url, verdict.reason.split(" (")[0], f"{verdict.reason}; the run {remedy}")

    def empty(self, url: str, record: Record, max_tokens: int | None) -> None:
        """A reply that used up its tokens before it said anything, as models that reason do, is paid."""
        if record["finish_reason"] == "length" and not record["response"].strip():
            limit = "its limit" if max_tokens is None else f"sampling.max_tokens = {max_tokens}"
            self._first(
                url, "empty", f"a reply reached {limit} before any text, and is paid for; raise the limit"
            )

    def _first(self, url: str, kind: str, text: str) -> None:
        if (url, kind) not in self._seen:
            self._seen.add((url, kind))
            self._write(f"{url}: {text}")
