"""What came back from a server: a record for the journal, or a verdict on what went wrong."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

import aiohttp
import openai

from stages.generate.fleet import retry_after
from stages.generate.journal import Record
from stages.generate.questions import Questions, Request

LONGEST_MESSAGE = 200


@dataclass(frozen=True)
class Verdict:
    """What a failure means.

    `stop`: no request can succeed. `refuse`: this request never will. `limit`: the server wants a pause of
    `pause` seconds, where it says so. `fail`: another try may succeed. `again`: the next one will be another
    request. `perhaps_billed` is whether the server may have done the work.
    """

    kind: Literal["stop", "refuse", "limit", "fail", "again"]
    reason: str
    perhaps_billed: bool = False
    pause: float | None = None


class NoAnswerError(Exception):
    """A reply with status 200 that holds no answer."""


def read_reply(content: bytes) -> Record:
    """The record of a chat completion. Raises NoAnswerError where it is none."""
    try:
        reply = json.loads(content)
        choices = reply["choices"]
        message, finish = choices[0]["message"], choices[0].get("finish_reason")
        said = message.get("content")
        record: Record = {
            # A model that refuses under a response format says so in a field of its own.
            "response": said if said is not None else message.get("refusal") or "",
            "finish_reason": finish,
            "model": str(reply.get("model", "")),
        }
        if not isinstance(record["response"], str):
            raise NoAnswerError("a reply whose content is no text")
        # JSON may hold half a surrogate pair, which no file in UTF-8 can.
        record["response"] = record["response"].encode("utf-8", "replace").decode()
        usage = reply.get("usage") or {}
        for name in ("prompt_tokens", "completion_tokens"):
            if isinstance(usage.get(name), int):
                record[name] = usage[name]
        tokens = (choices[0].get("logprobs") or {}).get("content")
        if tokens:
            record["logprobs"] = [round(token["logprob"], 4) for token in tokens]
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise NoAnswerError("a reply that is not JSON") from None
    except IndexError:
        raise NoAnswerError("a reply without choices") from None
    except (KeyError, TypeError, AttributeError):
        raise NoAnswerError("a reply that is no chat completion") from None
    return record


def verdict(error: Exception, secret: str) -> Verdict:
    """Judge a failed try. `secret` is taken out of what the server said."""
    if _never_sent(error):
        return Verdict("fail", "cannot connect")
    if isinstance(error, TimeoutError | asyncio.TimeoutError | openai.APITimeoutError):
        return Verdict("fail", "no reply in time", perhaps_billed=True)
    if isinstance(error, NoAnswerError):
        return Verdict("fail", str(error), perhaps_billed=True)
    if not isinstance(error, openai.APIStatusError):
        return Verdict("fail", "connection lost", perhaps_billed=True)
    said = scrub(message_of(error.body), secret)
    return judge_status(error.status_code, said, error.code, retry_after(error.response, datetime.now(UTC)))


def _never_sent(error: BaseException | None) -> bool:
    """Whether no connection was made, which the client reports as a timeout like any other."""
    while error is not None and not isinstance(error, aiohttp.ClientConnectorError):
        error = error.__cause__
    return error is not None


def judge_status(status: int, said: str, code: str | None = None, pause: float | None = None) -> Verdict:
    """Judge an error status with what the server said beside it."""
    told = f"status {status}" + (f" ({said})" if said else "")
    if status in (401, 403):
        return Verdict("stop", f"{told}; the API key is missing or refused")
    if status == 404:
        return Verdict("stop", f"{told}; correct generate.model or generate.base_url")
    if status == 402 or code == "insufficient_quota":
        return Verdict("stop", f"{told}; the account has no money left")
    if status == 429 or (status == 503 and pause is not None):
        return Verdict("limit", told, pause=pause)
    if status >= 500 or status in (0, 408, 409, 425):
        return Verdict("fail", told)
    return Verdict("refuse", told)


def message_of(body: object) -> str:
    """What the server said in an error's body, in one line."""
    said: object = body
    while isinstance(said, dict):
        said = said.get("message") or said.get("error")
    return " ".join(str(said or "").split())


def scrub(text: str, secret: str) -> str:
    """Text without the key, and not too long."""
    text = text.replace(secret, "[KEY]") if secret else text
    return text if len(text) <= LONGEST_MESSAGE else text[:LONGEST_MESSAGE] + "..."


def about(request: Request, task: str, questions: Questions) -> Record:
    """What a record is an answer to, and when it was written down."""
    return {
        "recorded_at": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "task": task,
        "id": request.row_id,
        "sample": request.sample,
        "kind": request.kind,
        "prompt_hash": questions.prompt_hash,
    }
