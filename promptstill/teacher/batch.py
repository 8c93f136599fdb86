"""Asking through the Batch API: batches of requests are sent in waves until nothing is missing.

Every step is written to the journal before the next one begins, and what is sent has a token by which the
server can be asked for it again. A run that is killed at any point continues without sending anything twice.
"""

from __future__ import annotations

import json
import uuid
from collections import Counter
from pathlib import Path
from typing import Any

import openai
from openai.types import Batch

from promptstill.console.errors import UserError
from promptstill.console.progress import progress
from promptstill.core.files import JsonObject, read_lines, write_rows
from promptstill.teacher.batch_server import ENDPOINT, BatchServer
from promptstill.teacher.budget import Charge, cost_of, worst_case
from promptstill.teacher.capabilities import Capabilities, marks
from promptstill.teacher.journal import insert
from promptstill.teacher.outcome import BUDGET_REACHED, Outcome, Work
from promptstill.teacher.questions import Request
from promptstill.teacher.record import Record
from promptstill.teacher.replies import NoAnswerError, about, judge_status, message_of, read_reply, scrub
from promptstill.teacher.session import Session


async def ask_in_batches(session: Session, work: Work) -> Outcome:
    """Ask for everything that is missing.

    Raises UserError if the server cannot be used; the next run continues with what was sent.
    """
    server = BatchServer(session.settings, session.api_key)
    try:
        async with server:
            return await BatchAsker(session, work, server).ask()
    except openai.APIError as error:
        message = scrub(
            message_of(getattr(error, "body", None)) or type(error).__name__, session.api_key or ""
        )
        raise UserError(
            f"{session.task}: {server.url}: {message}; repeat `dvc repro`, which continues with what was sent"
        ) from None


class BatchAsker:
    """One run over the Batch API of one server."""

    def __init__(self, session: Session, work: Work, server: BatchServer) -> None:
        self._session, self._work, self._server = session, work, server
        self._settings, self._ledger = session.settings, session.ledger
        self._journal = session.journal
        self._capabilities = Capabilities(self._journal, self._settings.model)
        self._failed: Counter[str] = Counter()
        self.outcome = Outcome()

    async def ask(self) -> Outcome:
        """Send waves until every row is complete or given up."""
        rows = lacking = self._work.rows
        with progress(rows, "asking in batches") as bar:
            await self._finish()
            while not self.outcome.stopped:
                lacking, sent = await self._send_wave()
                bar.update(rows - lacking - bar.n)
                if not sent:
                    break
                await self._finish()
        self.outcome.rows = rows - lacking
        with self._journal.transaction() as database:
            self.outcome.spent = self._ledger.spent(database)
        return self.outcome

    async def _send_wave(self) -> tuple[int, int]:
        """Send everything that is wanted now. Returns how many rows want something, and requests sent."""
        lacking, sent = 0, 0
        size = self._settings.batch.requests
        chunk: list[Request] = []
        for inquiry in self._work.jobs():
            if inquiry.row["id"] in self.outcome.dead:
                continue
            lacking += 1
            chunk += inquiry.wanted()
            while len(chunk) >= size:
                sent += await self._send(chunk[:size])
                chunk = chunk[size:]
        if chunk:
            sent += await self._send(chunk)
        if lacking and not sent:
            self.outcome.stopped = BUDGET_REACHED
        return lacking, sent

    async def _send(self, requests: list[Request]) -> int:
        """Plan, upload and start one batch of as many requests as the budget allows."""
        token = uuid.uuid4().hex
        costs = [worst_case(request, self._settings) for request in requests]
        with self._journal.transaction() as database:
            fitting = self._ledger.fitting(database, costs)
            if not fitting:
                return 0
            write_rows(self._file(token), map(self._line, requests[:fitting]))
            about_each = {
                request.key: [request.row_id, request.sample, request.kind] for request in requests[:fitting]
            }
            database.execute(
                "INSERT INTO batches VALUES (?, ?, ?, ?, ?, NULL, NULL)",
                (token, self._server.url, json.dumps(about_each), self._ledger.scope, sum(costs[:fitting])),
            )
        await self._started(token, None, None)
        return fitting

    def _line(self, request: Request) -> JsonObject:
        body = self._capabilities.body(request, self._server.url)
        return {"custom_id": request.key, "method": "POST", "url": ENDPOINT, "body": body}

    async def _started(self, token: str, file_id: str | None, batch_id: str | None) -> str:
        """Start a planned batch from wherever it is, given the ids that the journal has; returns its id."""
        if batch_id is not None:
            return batch_id
        if file_id is None:
            file_id = await self._server.file_id(self._file(token))
        self._journal.update_batch(token, "file_id", file_id)
        batch_id = await self._server.batch_id(file_id, token)
        self._journal.update_batch(token, "batch_id", batch_id)
        return batch_id

    async def _finish(self) -> None:
        """Wait for every open batch of this version and take its results."""
        open_batches = self._journal.open_batches(self._ledger.scope, self._server.url)
        for token, keys, file_id, batch_id in open_batches:
            batch = await self._server.ended(await self._started(token, file_id, batch_id))
            if batch.status == "failed":
                problems = (batch.errors.data if batch.errors else None) or []
                messages = self._scrubbed("; ".join(str(problem.message) for problem in problems))
                self.outcome.stopped = f"the server refuses batch {batch.id}: {messages}"
            await self._take(token, batch, json.loads(keys))
            self.outcome.check_dead(self._work.most_dead)

    async def _take(self, token: str, batch: Batch, keys: dict[str, list[Any]]) -> None:
        """Write a batch's replies, their cost, and the end of the batch, in one transaction."""
        sent = {line["custom_id"]: line["body"] for _, line in read_lines(self._file(token))}
        records: dict[str, Record] = {}
        charges: list[Charge] = []
        reasons = dict.fromkeys(keys, f"no answer in a batch that {batch.status}")
        async for key, status, body in self._server.results(batch):
            if key not in keys:
                continue
            row_id, sample, kind = keys[key]
            request = Request(row_id, sample, key, sent[key], kind)
            if status != 200:
                reason, charge = self._refused(request, status, body)
            else:
                reason, charge = self._read(request, body, records)
            if reason is None:
                reasons.pop(key)
            else:
                reasons[key] = reason
            if charge is not None:
                charges.append(charge)
        with self._journal.transaction() as database:
            insert(database, records)
            self._ledger.settle(database, charges)
            database.execute("DELETE FROM batches WHERE token = ?", (token,))
        self._file(token).unlink(missing_ok=True)
        self.outcome.answered += len(records)
        self.outcome.failed += len(reasons)
        for key, reason in reasons.items():
            self._failed[key] += 1
            if self._failed[key] > self._settings.limits.max_retries:
                self.outcome.dead[keys[key][0]] = reason

    def _refused(self, request: Request, status: int, body: object) -> tuple[str | None, Charge | None]:
        """Why a request failed, and what it cost; neither if it will be sent again as another request."""
        message = self._scrubbed(message_of(body))
        if self._capabilities.learn(status, message, request.body, self._server.url):
            return None, None
        verdict = judge_status(status, message)
        self._failed[request.key] += self._settings.limits.max_retries * (verdict.kind != "fail")
        return verdict.reason, Charge(0, 0, failed=True)

    def _read(self, request: Request, body: object, records: dict[str, Record]) -> tuple[str | None, Charge]:
        """Add a reply to `records`; returns why it holds no answer, if it holds none, and what it cost."""
        try:
            record = read_reply(json.dumps(body).encode())
        except NoAnswerError as error:
            return str(error), Charge(0, worst_case(request, self._settings), failed=True)
        sent = marks(request.body, request.kind, self._settings)
        asked = about(request, self._session.task, self._session.questions)
        records[request.key] = {**record, **sent, **asked}
        cost = cost_of(record, self._settings)
        return None, Charge(0, worst_case(request, self._settings) if cost is None else cost)

    def _scrubbed(self, text: str) -> str:
        return scrub(text, self._session.api_key or "")

    def _file(self, token: str) -> Path:
        return self._journal.path.parent / "batches" / f"promptstill-{token}.jsonl"
