"""What is kept of a teacher's reply."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TypedDict


class Record(TypedDict, total=False):
    """One reply in the journal or in a file of recorded replies.

    `response` is the text of the reply, `model` the name that the server gave, and `recorded_at` a time in
    ISO 8601, UTC. `prompt_tokens`, `completion_tokens` and `logprobs` (one per token) are there if the server
    sent them, and `structured` if a response format was asked for. `left_out` names the sampling
    settings that were not sent because the server refuses them. `task`, `id`, `sample`, `kind` and
    `prompt_hash` say what the reply answers. `seconds` is how long the server took.
    """

    response: str
    finish_reason: str | None
    model: str
    recorded_at: str
    prompt_tokens: int
    completion_tokens: int
    logprobs: list[float]
    structured: bool
    left_out: list[str]
    task: str
    id: str
    sample: int
    kind: str
    prompt_hash: str
    seconds: float


def now() -> str:
    """The time in ISO 8601, UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
