"""Optional parts of the protocol: which of them a server refuses, learnt once and remembered."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from promptstill.teacher.journal import Journal
from promptstill.teacher.questions import Request

# Fields of a request that some servers refuse, with the words by which a refusal names them.
OPTIONAL = {"response_format": ("response_format", "json_schema"), "logprobs": ("logprobs",)}
# Statuses by which a server refuses a part of the request.
REFUSALS = (400, 422, 501)


class Capabilities:
    """What each server is known to refuse; the journal remembers it."""

    def __init__(self, journal: Journal, model: str, urls: Iterable[str]) -> None:
        self._journal, self._model = journal, model
        self._refused = {
            (url, name)
            for url in urls
            for name in OPTIONAL
            if journal.fact(self._fact(url, name)) is not None
        }

    def body(self, request: Request, url: str) -> dict[str, Any]:
        """What is sent to a server: the request without the fields that the server refuses."""
        return {name: value for name, value in request.body.items() if (url, name) not in self._refused}

    def learn(self, status: int, message: str, sent: dict[str, Any], url: str) -> list[str]:
        """The fields in `sent` that a refusal names. They are not sent to that server again."""
        if status not in REFUSALS:
            return []
        message = message.lower()
        names = [
            name
            for name, words in OPTIONAL.items()
            if name in sent and any(word in message for word in words)
        ]
        for name in names:
            self._refused.add((url, name))
            self._journal.note_fact(self._fact(url, name), "refused")
        return names

    def _fact(self, url: str, name: str) -> str:
        return f"{url} {self._model} {name}"
