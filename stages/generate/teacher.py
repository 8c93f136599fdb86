"""Asking the teacher: missing requests in, answers in the journal out."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import openai

from stages.generate.journal import Journal, Record
from stages.generate.params import GenerateParams
from stages.generate.requests import Request
from stages.shared.errors import UserError
from stages.shared.report import progress


@dataclass
class Failures:
    """Requests that got no answer after all tries."""

    count: int = 0
    first: str = ""
    fatal: str = ""
    row_ids: list[str] = field(default_factory=list)

    def note(self, request: Request, reason: str) -> None:
        """Count one request and keep the first reason for the message."""
        self.count += 1
        self.first = self.first or reason
        self.row_ids.append(request.row_id)


@dataclass
class Answered:
    """An answer on its way to the journal; `durable` is set when it is on disk."""

    key: str
    record: Record
    durable: asyncio.Event = field(default_factory=asyncio.Event)


def ask_teacher(requests: list[Request], journal: Journal, params: GenerateParams) -> None:
    """Send the requests, at most `params.concurrency` in flight, and journal every answer before it counts.

    Raises UserError where requests stay unanswered after all tries; answers that came stay in the journal, so
    the next run asks only for the rest.
    """
    try:
        failures = asyncio.run(_ask_all(requests, journal, params))
    except ExceptionGroup as group:
        first: Exception = group
        while isinstance(first, ExceptionGroup):
            first = first.exceptions[0]
        raise first from None
    if failures.count:
        raise UserError(
            f"{failures.count} of {len(requests)} requests to {params.base_url} failed, first for row "
            f"{failures.row_ids[0]}: {failures.fatal or failures.first}; the other answers are kept, run "
            "`dvc repro` again to ask for the rest"
        )


async def _ask_all(requests: list[Request], journal: Journal, params: GenerateParams) -> Failures:
    answers: asyncio.Queue[Answered | None] = asyncio.Queue()
    failures = Failures()
    waiting = iter(requests)
    with progress(len(requests), "asking the teacher", "request") as bar:
        async with (
            openai.AsyncOpenAI(
                base_url=params.base_url,
                api_key=os.environ.get(params.api_key_env) or "no-key-set",
                timeout=params.timeout_seconds,
                max_retries=params.max_retries,
                http_client=openai.DefaultAioHttpClient(),
            ) as client,
            asyncio.TaskGroup() as tasks,
        ):
            tasks.create_task(_commit(answers, journal, bar))
            # Where the journal cannot be written, its group ends the workers too: nobody waits for ever.
            async with asyncio.TaskGroup() as workers:
                for _ in range(min(params.concurrency, len(requests))):
                    workers.create_task(_worker(waiting, client, answers, failures, params))
            answers.put_nowait(None)
    return failures


async def _worker(
    waiting: Iterator[Request],
    client: openai.AsyncOpenAI,
    answers: asyncio.Queue[Answered | None],
    failures: Failures,
    params: GenerateParams,
) -> None:
    """Ask one request after another from the shared iterator."""
    for request in waiting:
        if failures.fatal:
            failures.note(request, failures.fatal)
            continue
        try:
            answered = Answered(request.key, await _ask(request, client))
            answers.put_nowait(answered)
            # The place in flight is free again once the answer is on disk: a crash costs what is in flight.
            await answered.durable.wait()
        except (openai.AuthenticationError, openai.PermissionDeniedError) as error:
            failures.fatal = (
                f"{error.status_code}, the key in {params.api_key_env} is missing or refused; set it"
            )
            failures.note(request, failures.fatal)
        except openai.NotFoundError:
            failures.fatal = (
                f"404, no model {params.model!r} there; correct generate.model or generate.base_url"
            )
            failures.note(request, failures.fatal)
        except openai.APIStatusError as error:
            failures.note(request, f"status {error.status_code}")
        except openai.APIError as error:
            failures.note(request, type(error).__name__)
        except _NoAnswerError as error:
            failures.note(request, str(error))


class _NoAnswerError(Exception):
    """The server replied without an answer."""


async def _ask(request: Request, client: openai.AsyncOpenAI) -> Record:
    completion: Any = await client.chat.completions.create(**request.body)
    choices = getattr(completion, "choices", None)
    if not choices:
        raise _NoAnswerError("a reply without choices")
    record: Record = {
        "response": choices[0].message.content or "",
        "finish_reason": choices[0].finish_reason,
        "model": completion.model,
        "recorded_at": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
    }
    if completion.usage is not None:
        record["prompt_tokens"] = completion.usage.prompt_tokens
        record["completion_tokens"] = completion.usage.completion_tokens
    return record


async def _commit(answers: asyncio.Queue[Answered | None], journal: Journal, bar: Any) -> None:  # noqa: ANN401
    """Write what came in during the last commit in one transaction, until None comes.

    An answer waits for nothing but the commit before it; when many come in, many share a transaction.
    """
    ended = False
    while not ended:
        batch = [await answers.get()]
        while not answers.empty():
            batch.append(answers.get_nowait())
        ended = batch[-1] is None
        answered = [one for one in batch if one is not None]
        if answered:
            await asyncio.to_thread(journal.add, {one.key: one.record for one in answered})
            bar.update(len(answered))
        for one in answered:
            one.durable.set()
