"""What a server sent back: a record for the journal, or a verdict on the failure."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

import aiohttp
import openai

from promptstill.teacher.fleet import retry_after
from promptstill.teacher.questions import Questions, Request
from promptstill.teacher.record import Record

LONGEST_MESSAGE = 200


@dataclass(frozen=True)
class Verdict:
    """What a failure means.

    `stop`: no request can succeed. `refuse`: this request never will. `limit`: the server wants a pause, of
    `pause` seconds if it says so. `fail`: another try may succeed. `again`: the next try will be another
    request. `perhaps_billed` says whether the server may have done the work.
    """

    kind: Literal["stop", "refuse", "limit", "fail", "again"]
    reason: str
    perhaps_billed: bool = False
    pause: float | None = None


class NoAnswerError(Exception):
    """A reply with status 200 that contains no answer."""


def read_reply(content: bytes) -> Record:
    """The record of a chat completion. Raises NoAnswerError if the content is not one."""
    try:
        reply = json.loads(content)
        choices = reply["choices"]
        message, finish = choices[0]["message"], choices[0].get("finish_reason")
        content_text = message.get("content")
        # Under a response format, a model puts a refusal into a field of its own.
        response = content_text if content_text is not None else message.get("refusal") or ""
        if not isinstance(response, str):
            raise NoAnswerError("a reply whose content is not text")
        record: Record = {
            # JSON may contain half of a surrogate pair, which a file in UTF-8 cannot.
            "response": response.encode("utf-8", "replace").decode(),
            "finish_reason": finish,
            "model": str(reply.get("model", "")),
        }
        usage = reply.get("usage") or {}
        if isinstance(usage.get("prompt_tokens"), int):
            record["prompt_tokens"] = usage["prompt_tokens"]
        if isinstance(usage.get("completion_tokens"), int):
            record["completion_tokens"] = usage["completion_tokens"]
        tokens = (choices[0].get("logprobs") or {}).get("content")
        if tokens:
            record["logprobs"] = [round(token["logprob"], 4) for token in tokens]
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise NoAnswerError("a reply that is not JSON") from None
    except IndexError:
        raise NoAnswerError("a reply without choices") from None
    except (KeyError, TypeError, AttributeError):
        raise NoAnswerError("a reply that is not a chat completion") from None
    return record


def verdict_on(error: Exception, secret: str) -> Verdict:
    """Judge a failed try. `secret` is removed from the server's message."""
    if _never_sent(error):
        return Verdict("fail", "cannot connect")
    if isinstance(error, TimeoutError | asyncio.TimeoutError | openai.APITimeoutError):
        return Verdict("fail", "no reply in time", perhaps_billed=True)
    if isinstance(error, NoAnswerError):
        return Verdict("fail", str(error), perhaps_billed=True)
    if not isinstance(error, openai.APIStatusError):
        return Verdict("fail", "connection lost", perhaps_billed=True)
    message = scrub(message_of(error.body), secret)
    return judge_status(
        error.status_code, message, error.code, retry_after(error.response, datetime.now(UTC))
    )


def _never_sent(error: BaseException | None) -> bool:
    """Whether no connection was made, which the client reports like any other timeout."""
    while error is not None and not isinstance(error, aiohttp.ClientConnectorError):
        error = error.__cause__
    return error is not None


def judge_status(status: int, message: str, code: str | None = None, pause: float | None = None) -> Verdict:
    """Judge an error status with the server's message."""
    reason = f"status {status}" + (f" ({message})" if message else "")
    if status in (401, 403):
        return Verdict("stop", f"{reason}; the API key is missing or refused")
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
    """The server's message in an error's body, in one line."""
    message: object = body
    while isinstance(message, dict):
        message = message.get("message") or message.get("error")
    return " ".join(str(message or "").split())


def scrub(text: str, secret: str) -> str:
    """Text without the key, cut if it is too long."""
    text = text.replace(secret, "[KEY]") if secret else text
    return text if len(text) <= LONGEST_MESSAGE else text[:LONGEST_MESSAGE] + "..."


def about(request: Request, task: str, questions: Questions) -> Record:
    """What a record answers, and when it was recorded."""
    return {
        "recorded_at": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "task": task,
        "id": request.row_id,
        "sample": request.sample,
        "kind": request.kind,
        "prompt_hash": questions.prompt_hash,
    }
