"""Asking through the Batch API: files of requests up, files of answers down, in waves until nothing is
missing.

Every step is written to the journal before the next one begins, and what is sent carries a token that is
found again on the server: a run that is killed anywhere goes on without sending anything twice.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import openai

from stages.generate.budget import Charge, Ledger, cost_of, worst_case
from stages.generate.features import Features
from stages.generate.journal import Journal, Record, insert
from stages.generate.questions import Inquiry, Questions, Request
from stages.generate.replies import NoAnswerError, about, judge_status, message_of, read_reply, scrub
from stages.generate.run import BUDGET_REACHED, Run
from stages.shared.errors import UserError
from stages.shared.files import Row, iter_rows, write_rows
from stages.shared.report import progress

ENDPOINT: Literal["/v1/chat/completions"] = "/v1/chat/completions"
ENDED = ("completed", "failed", "expired", "cancelled")


@dataclass(frozen=True)
class Open:
    """A batch under way: `file_id` and `batch_id` are None until the server has given them."""

    token: str
    file_id: str | None
    batch_id: str | None


class BatchAsker:
    """One run over the Batch API of one server."""

    def __init__(
        self, questions: Questions, task: str, journal: Journal, ledger: Ledger, key: str | None
    ) -> None:
        self._questions, self._params, self._task = questions, questions.params, task
        self._journal, self._ledger, self._key = journal, ledger, key or ""
        self._url = self._params.base_urls[0]
        self._features = Features(journal, self._params.model, [self._url])
        self._failed: Counter[str] = Counter()
        self._folder = journal.path.parent / "batches"
        # Asking for a state again is harmless; uploading again is not, so that is left to the next run.
        self._client = openai.AsyncOpenAI(
            base_url=self._url,
            api_key=key or "no-key-set",
            timeout=self._params.limits.timeout_seconds,
            max_retries=self._params.limits.max_retries,
            http_client=openai.DefaultAioHttpClient(),
        )
        self._once = self._client.with_options(max_retries=0)
        self.run = Run()

    async def ask(self, jobs: Callable[[], Iterator[Inquiry]], rows: int, most_dead: int) -> Run:
        """Send waves until every row is complete or given up."""
        lacking = rows
        with progress(rows, "asking in batches") as bar:
            async with self._client:
                await self._finish(most_dead)
                while not self.run.stopped:
                    lacking, sent = await self._send_wave(jobs)
                    bar.update(rows - lacking - bar.n)
                    if not sent:
                        break
                    await self._finish(most_dead)
        self.run.rows = rows - lacking
        with self._journal.transaction() as database:
            self.run.spent = self._ledger.spent(database)
        return self.run

    async def _send_wave(self, jobs: Callable[[], Iterator[Inquiry]]) -> tuple[int, int]:
        """Send everything that rows want now; returns how many rows want something, and requests sent."""
        lacking, sent = 0, 0
        chunk: list[Request] = []
        for inquiry in jobs():
            if inquiry.row["id"] in self.run.dead:
                continue
            lacking += 1
            chunk += inquiry.wanted()
            while len(chunk) >= self._params.batch.requests:
                sent += await self._send(chunk[: self._params.batch.requests])
                chunk = chunk[self._params.batch.requests :]
        if chunk:
            sent += await self._send(chunk)
        if lacking and not sent:
            self.run.stopped = BUDGET_REACHED
        return lacking, sent

    async def _send(self, requests: list[Request]) -> int:
        """Plan, upload and start one batch of as many of the requests as the budget has room for."""
        token = uuid.uuid4().hex
        costs = [worst_case(request, self._params) for request in requests]
        with self._journal.transaction() as database:
            fitting = self._ledger.fitting(database, costs)
            if not fitting:
                return 0
            write_rows(self._file(token), map(self._line, requests[:fitting]))
            about_each = {one.key: [one.row_id, one.sample, one.kind] for one in requests[:fitting]}
            database.execute(
                "INSERT INTO batches VALUES (?, ?, ?, ?, ?, NULL, NULL)",
                (token, self._url, json.dumps(about_each), self._ledger.scope, sum(costs[:fitting])),
            )
        await self._start(Open(token, None, None))
        return fitting

    def _line(self, request: Request) -> Row:
        body = self._features.body(request, self._url)
        return {"custom_id": request.key, "method": "POST", "url": ENDPOINT, "body": body}

    async def _start(self, batch: Open) -> str:
        """Bring a planned batch under way from wherever it stands; returns its id."""
        if batch.batch_id is not None:
            return batch.batch_id
        file_id = batch.file_id or await self._uploaded(batch.token)
        if file_id is None:
            content = self._file(batch.token).read_bytes()
            upload = await self._once.files.create(file=(_name(batch.token), content), purpose="batch")
            file_id = upload.id
        self._journal.update_batch(batch.token, file_id=file_id)
        batch_id = await self._started(file_id)
        if batch_id is None:
            made = await self._once.batches.create(
                input_file_id=file_id,
                endpoint=ENDPOINT,
                completion_window="24h",
                metadata={"promptstill": batch.token},
            )
            batch_id = made.id
        self._journal.update_batch(batch.token, batch_id=batch_id)
        return batch_id

    async def _uploaded(self, token: str) -> str | None:
        async for found in self._client.files.list(purpose="batch"):
            if found.filename == _name(token):
                return found.id
        return None

    async def _started(self, file_id: str) -> str | None:
        async for found in self._client.batches.list():
            if found.input_file_id == file_id:
                return found.id
        return None

    async def _finish(self, most_dead: int) -> None:
        """Wait for every batch of this version and take what it brought."""
        for token, keys, held, file_id, batch_id in self._journal.open_batches(self._ledger.scope, self._url):
            state = await self._ended(await self._start(Open(token, file_id, batch_id)))
            if state.status == "failed":
                problems = (state.errors.data if state.errors else None) or []
                told = scrub("; ".join(str(one.message) for one in problems), self._key)
                self.run.stopped = f"the server refuses batch {state.id}: {told}"
            await self._take(token, state, json.loads(keys), held)
            if len(self.run.dead) > most_dead and not self.run.stopped:
                last = next(reversed(self.run.dead.values()))
                self.run.stopped = f"{len(self.run.dead)} rows got no answer, the last one: {last}"

    async def _ended(self, batch_id: str) -> Any:  # noqa: ANN401
        while (state := await self._client.batches.retrieve(batch_id)).status not in ENDED:
            await asyncio.sleep(self._params.batch.poll_seconds)
        return state

    async def _take(self, token: str, state: Any, keys: dict[str, list[Any]], held: int) -> None:  # noqa: ANN401
        """Write a batch's answers, what it cost, and that it is over, in one transaction."""
        sent = self._sent(token)
        records: dict[str, Record] = {}
        charges: list[Charge] = []
        reasons = dict.fromkeys(keys, f"no answer in a batch that {state.status}")
        async for key, status, body in self._results(state):
            if key not in keys:
                continue
            row_id, sample, kind = keys[key]
            request = Request(row_id, sample, key, sent[key], kind)
            try:
                if status != 200:
                    raise _RefusedError(status, body)
                record = read_reply(json.dumps(body).encode())
            except NoAnswerError as error:
                reasons[key] = str(error)
                charges.append(Charge(0, worst_case(request, self._params), failed=True))
            except _RefusedError as error:
                said = scrub(message_of(error.body), self._key)
                if self._features.learn(status, said, sent[key], self._url):
                    reasons.pop(key)
                    continue
                found = judge_status(status, said)
                reasons[key] = found.reason
                self._failed[key] += self._params.limits.max_retries * (found.kind != "fail")
                charges.append(Charge(0, 0, failed=True))
            else:
                reasons.pop(key)
                if self._params.structured and kind == "answer":
                    record["structured"] = "response_format" in sent[key]
                records[key] = record | about(request, self._task, self._questions)
                cost = cost_of(record, self._params)
                charges.append(Charge(0, worst_case(request, self._params) if cost is None else cost))
        with self._journal.transaction() as database:
            insert(database, records)
            self._ledger.settle(database, charges)
            database.execute("DELETE FROM batches WHERE token = ?", (token,))
        self._file(token).unlink(missing_ok=True)
        self.run.answered += len(records)
        self.run.failed += len(reasons)
        for key, reason in reasons.items():
            self._failed[key] += 1
            if self._failed[key] > self._params.limits.max_retries:
                self.run.dead[keys[key][0]] = reason

    async def _results(self, state: Any) -> AsyncIterator[tuple[str, int, Any]]:  # noqa: ANN401
        """Key, status and body of every result line; an expired batch has some of them."""
        for file_id in (state.output_file_id, state.error_file_id):
            if file_id is None:
                continue
            content = await self._client.files.content(file_id)
            for line in content.content.splitlines():
                result = json.loads(line)
                response = result.get("response") or {}
                body = response.get("body") or result.get("error")
                yield result["custom_id"], response.get("status_code", 0), body

    def _sent(self, token: str) -> dict[str, dict[str, Any]]:
        return {line["custom_id"]: line["body"] for line in iter_rows(self._file(token))}

    def _file(self, token: str) -> Path:
        return self._folder / _name(token)


class _RefusedError(Exception):
    """One request of a batch failed with a status of its own."""

    def __init__(self, status: int, body: object) -> None:
        super().__init__(status)
        self.body = body


def _name(token: str) -> str:
    return f"promptstill-{token}.jsonl"


async def ask_in_batches(
    jobs: Callable[[], Iterator[Inquiry]],
    rows: int,
    most_dead: int,
    questions: Questions,
    task: str,
    journal: Journal,
    ledger: Ledger,
    key: str | None,
) -> Run:
    """Ask everything that `jobs` lacks. Raises UserError where the server cannot be used; what was sent is
    taken up by the next run."""
    asker = BatchAsker(questions, task, journal, ledger, key)
    try:
        return await asker.ask(jobs, rows, most_dead)
    except openai.APIError as error:
        told = scrub(message_of(getattr(error, "body", None)) or type(error).__name__, key or "")
        raise UserError(
            f"{task}: {questions.params.base_urls[0]}: {told}; repeat `dvc repro`, it takes up what was sent"
        ) from None
