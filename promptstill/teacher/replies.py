"""What a server sent back: a record for the journal, or a verdict on the failure.

Whatever a server sends, reading it gives a record that can be written, or `NoAnswerError`, or a verdict.
"""

from __future__ import annotations

import json
import math
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import aiohttp
import openai

from promptstill.teacher.pauses import pause_of
from promptstill.teacher.questions import Questions, Request
from promptstill.teacher.record import Record, now

LONGEST_MESSAGE = 200
# A server that counts more tokens than this for a reply does not count.
MOST_TOKENS = 10**8
# Errors of connecting, before a request has left.
NEVER_SENT = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL)


@dataclass(frozen=True)
class Verdict:
    """What a failure means.

    `stop`: no request can succeed. `key`: the server does not accept the key. `deny`: it does not accept the
    key, or it does not accept this request. `refuse`: this request never will. `limit`: the server wants a
    pause, of `pause` seconds if it says so. `fail`: another try may succeed. `again`: the next try will be
    another request, as `remedy` says. `perhaps_billed` says whether the server may have done the work.
    """

    kind: Literal["stop", "key", "deny", "refuse", "limit", "fail", "again"]
    reason: str
    perhaps_billed: bool = False
    pause: float | None = None
    remedy: str = ""


class NoAnswerError(Exception):
    """A reply with status 200 that contains no answer."""


def read_reply(content: bytes) -> Record:
    """The record of a chat completion. Raises NoAnswerError if the content is not one."""
    try:
        reply = json.loads(content)
    except (ValueError, RecursionError):
        # An integer of thousands of digits is a ValueError too.
        raise NoAnswerError("a reply that is not JSON") from None
    choices = _object(reply).get("choices")
    if not isinstance(choices, list):
        raise NoAnswerError("a reply that is not a chat completion")
    if not choices:
        raise NoAnswerError("a reply without choices")
    choice = _object(choices[0])
    message, finish = choice.get("message"), choice.get("finish_reason")
    if not isinstance(message, dict):
        raise NoAnswerError("a reply that is not a chat completion")
    # Under a response format, a model puts a refusal into a field of its own.
    text = message.get("content")
    response = text if text is not None else message.get("refusal") or ""
    if not isinstance(response, str):
        raise NoAnswerError("a reply whose content is not text")
    return {
        "response": _writable(response),
        "finish_reason": _writable(finish) if isinstance(finish, str) else None,
        "model": _writable(model) if isinstance(model := reply.get("model"), str) else "",
        **_tokens(_object(reply.get("usage"))),
        **_logprobs(_object(choice.get("logprobs")).get("content")),
    }


def _tokens(usage: dict[str, Any]) -> Record:
    """What was billed. Where a server leaves a model's reasoning out of `completion_tokens`, it is in the
    total."""
    prompt, completion, total = (
        _count(usage.get(name)) for name in ("prompt_tokens", "completion_tokens", "total_tokens")
    )
    record: Record = {}
    if prompt is not None:
        record["prompt_tokens"] = prompt
    if completion is not None:
        record["completion_tokens"] = max(completion, (total or 0) - (prompt or 0))
    return record


def _count(value: object) -> int | None:
    whole = isinstance(value, int) and not isinstance(value, bool)
    return value if whole and 0 <= value <= MOST_TOKENS else None  # type: ignore[operator, return-value]


def _logprobs(tokens: object) -> Record:
    """The log-probability of each token; nothing unless every token has a finite one."""
    values = [_object(token).get("logprob") for token in tokens] if isinstance(tokens, list) else []
    logprobs = [
        round(float(value), 4)
        for value in values
        if isinstance(value, float | int) and abs(value) < 1e9 and math.isfinite(value)
    ]
    return {"logprobs": logprobs} if logprobs and len(logprobs) == len(values) else {}


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _writable(text: str) -> str:
    """JSON may contain half of a surrogate pair, which a file in UTF-8 cannot."""
    return text.encode("utf-8", "replace").decode()


def verdict_on(error: Exception, secret: str) -> Verdict:
    """Judge a failed try. `secret` is removed from the server's message."""
    if (unsent := _caused_by(error, NEVER_SENT)) is not None:
        return Verdict("fail", f"cannot connect ({_cause(unsent)})")
    # The client reports a lost connection as a timeout.
    lost = _caused_by(error, aiohttp.ClientConnectionError)
    if lost is not None and not isinstance(lost, TimeoutError):
        return Verdict("fail", "connection lost", perhaps_billed=True)
    if isinstance(error, TimeoutError | openai.APITimeoutError):
        return Verdict("fail", "no reply in time", perhaps_billed=True)
    if isinstance(error, NoAnswerError):
        return Verdict("fail", str(error), perhaps_billed=True)
    if isinstance(error, openai.APIStatusError):
        status, headers = error.status_code, error.response.headers
        pause = pause_of(headers, status, datetime.now(UTC))
        return judge_status(status, scrub(message_of(error.body), secret), error.code, pause)
    if isinstance(error, openai.APIError):
        return Verdict("fail", "connection lost", perhaps_billed=True)
    return Verdict("fail", f"unforeseen {type(error).__name__} ({scrub(str(error), secret)})", True)


def _caused_by(
    error: BaseException | None, kinds: type[BaseException] | tuple[type[BaseException], ...]
) -> BaseException | None:
    """The first error of these kinds among an error and its causes."""
    while error is not None and not isinstance(error, kinds):
        error = error.__cause__
    return error


def _cause(error: BaseException) -> str:
    """Why there is no connection, without the address."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return f"certificate not accepted: {getattr(error.certificate_error, 'verify_message', '')}"
    if isinstance(error, aiohttp.ClientConnectorError):
        number = error.os_error.errno or 0
        words = os.strerror(number) if number > 0 else error.os_error.strerror or str(error.os_error)
        return message_of(words).lower()
    return "not an address" if isinstance(error, aiohttp.InvalidURL) else "no connection in time"


def judge_status(status: int, message: str, code: str | None = None, pause: float | None = None) -> Verdict:
    """Judge an error status with the server's message."""
    reason = f"status {status}" + (f" ({message})" if message else "")
    if status == 401:
        return Verdict("key", reason)
    if status == 403:
        return Verdict("deny", reason)
    if status == 404:
        return Verdict("stop", f"{reason}; correct generate.model or generate.base_url")
    if status == 402 or code == "insufficient_quota":
        return Verdict("stop", f"{reason}; the account has no money left")
    if status == 429 or (status == 503 and pause is not None):
        return Verdict("limit", reason, pause=pause)
    if status >= 500 or status in (0, 408, 409, 425):
        return Verdict("fail", reason)
    return Verdict("refuse", reason)


def message_of(body: object) -> str:
    """The server's message in an error's body, in one line; an empty text if there is none."""
    place = ""
    # Frameworks nest the message, and the place that it speaks of is beside it.
    for _ in range(8):
        if isinstance(body, list):
            body = body[0] if body else None
        elif isinstance(body, dict):
            if isinstance(body.get("loc"), list):
                place = ".".join(str(part) for part in body["loc"] if isinstance(part, str | int)) + ": "
            body = next(
                (body[name] for name in ("message", "error", "detail", "msg") if body.get(name)), None
            )
    text = body if isinstance(body, str) else ""
    printable = "".join(letter if letter.isprintable() else " " for letter in place + text)
    return " ".join(printable.split()) if text else ""


def scrub(text: str, secret: str) -> str:
    """Text without the key, cut if it is too long."""
    text = text.replace(secret, "[KEY]") if secret else text
    return text if len(text) <= LONGEST_MESSAGE else text[:LONGEST_MESSAGE] + "..."


def about(request: Request, task: str, questions: Questions) -> Record:
    """What a record answers, and when it was recorded."""
    return {
        "recorded_at": now(),
        "task": task,
        "id": request.row_id,
        "sample": request.sample,
        "kind": request.kind,
        "prompt_hash": questions.prompt_hash,
    }
