"""Collecting: open batches are brought to their end, and their replies and costs to the journal.

What was sent has a token by which the server can be asked for it again, so a batch continues from wherever a
run that was killed has left it.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import openai
from openai.types import Batch

from promptstill.console.errors import UserError
from promptstill.console.progress import SILENT_SECONDS, line
from promptstill.core.files import canonical_json
from promptstill.teacher.api_key import read_api_key
from promptstill.teacher.batch_server import ENDPOINT, BatchServer
from promptstill.teacher.budget import Charge, Ledger, cost_of, worst_case
from promptstill.teacher.capabilities import Capabilities, again, marks
from promptstill.teacher.journal import insert
from promptstill.teacher.notices import Notices
from promptstill.teacher.open_batches import OpenBatch, OpenBatches, close
from promptstill.teacher.questions import Request
from promptstill.teacher.record import Record
from promptstill.teacher.replies import (
    NoAnswerError,
    Verdict,
    about,
    judge_status,
    message_of,
    read_reply,
    scrub,
)
from promptstill.teacher.session import Session


class Collector:
    """Takes the results of open batches. A batch that was only planned is uploaded if it is for the server
    `uploads_to`, and forgotten otherwise.

    `answered` counts replies, and `failed` requests without one. `refused` is a server's reason to refuse a
    whole batch. `lost` has the keys that will not be asked again, with the reasons.
    """

    def __init__(self, session: Session, uploads_to: str | None) -> None:
        self._session, self._uploads_to = session, uploads_to
        # Batches have prices of their own, whatever the mode of this run is.
        self._settings = session.settings.model_copy(update={"mode": "batch"})
        self._journal, self._batches = session.journal, OpenBatches(session.journal)
        self._failures: Counter[str] = Counter()
        self.answered = self.failed = 0
        self.refused = self._secret = ""
        self.lost: dict[str, str] = {}
        self._next_line = 0.0
        self._notices = Notices(line)

    async def start(self, token: str) -> None:
        """Upload a planned batch and start it. Raises UserError if the server cannot be used."""
        with self._batches.mine(token) as batch:
            if batch is not None:
                async with self._server(batch) as server:
                    await self._started(batch, server)

    async def finish(self, tokens: Iterable[str]) -> None:
        """Wait for batches and take their results. Raises UserError if a server cannot be used."""
        for token in sorted(tokens):
            with self._batches.mine(token) as batch:
                if batch is None:
                    continue
                if batch.file_id is None and batch.base_url != self._uploads_to:
                    # Nothing was started, so nothing is paid for.
                    with self._journal.transaction() as database:
                        close(database, token)
                    continue
                async with self._server(batch) as server:
                    ended = await server.ended(await self._started(batch, server), self._look)
                    if ended.status == "failed":
                        self.refused = f"the server refuses batch {ended.id}"
                        if messages := self._scrubbed(_messages(ended)):
                            self.refused += f": {messages}"
                    await self._take(batch, ended, server)

    def _look(self, batch: Batch) -> None:
        """Write a line now and then, because a batch may take a day."""
        if time.monotonic() >= self._next_line:
            # The client does not check what a server sends, and a run needs no counts.
            done, total = (getattr(batch.request_counts, name, None) for name in ("completed", "total"))
            counts = f", {done} of {total} requests done" if isinstance(done, int) and total else ""
            line(f"{self._session.task}: waiting for batch {batch.id}: {batch.status}{counts}")
            self._next_line = time.monotonic() + SILENT_SECONDS

    @asynccontextmanager
    async def _server(self, batch: OpenBatch) -> AsyncIterator[BatchServer]:
        """The server that a batch was sent to, with the key of that time. Its errors become one line."""
        session = self._session
        name = batch.api_key_env or session.settings.api_key_env
        key = session.api_key if name == session.settings.api_key_env else read_api_key(name)
        self._secret = key or ""
        try:
            async with BatchServer(batch.base_url, key, session.settings) as server:
                yield server
        except UserError:
            raise
        except Exception as error:
            # Whatever a server sends, the run ends with one line, and the next run continues.
            message = message_of(getattr(error, "body", None)) or type(error).__name__
            if not isinstance(error, openai.APIError):
                message = f"unforeseen {message} ({message_of(str(error))})"
            raise UserError(
                f"{session.task}: {batch.base_url}: batch {batch.batch_id or batch.token}: "
                f"{self._scrubbed(message)}; repeat `dvc repro`, which continues with what was sent, or, if "
                f"the server has lost the batch, give it up with `still journal drop-batch {batch.token}`"
            ) from None

    async def _started(self, batch: OpenBatch, server: BatchServer) -> str:
        """Start a planned batch from wherever it is; returns the server's id of it."""
        if batch.batch_id is not None:
            return batch.batch_id
        file_id = batch.file_id
        if file_id is None:
            file_id = await server.file_id(batch.filename, lambda: self._lines(batch))
            self._batches.update(batch.token, "file_id", file_id)
        batch_id = await server.batch_id(file_id, batch.token)
        self._batches.update(batch.token, "batch_id", batch_id)
        return batch_id

    def _lines(self, batch: OpenBatch) -> bytes:
        """The file that is uploaded."""
        requests = self._batches.requests(batch.token).values()
        lines = (
            {"custom_id": request.key, "method": "POST", "url": ENDPOINT, "body": request.body}
            for request in requests
        )
        return "".join(canonical_json(line) + "\n" for line in lines).encode()

    async def _take(self, batch: OpenBatch, ended: Batch, server: BatchServer) -> None:
        """Write a batch's replies, their cost, and the end of the batch, in one transaction."""
        requests = self._batches.requests(batch.token)
        capabilities = Capabilities(self._journal, self._settings.model)
        records: dict[str, Record] = {}
        charges: list[Charge] = []
        heard: set[str] = set()
        reasons = dict.fromkeys(requests, f"no answer in a batch that {ended.status}")
        async for key, status, body in server.results(ended):
            if (request := requests.get(key)) is None:
                continue
            heard.add(key)
            if status == 200:
                # A server may answer twice. Each answer costs money, and the first is kept.
                reason, charge = self._read(request, body, batch, records)
            elif refused := capabilities.learn(status, self._message(body), request.body, server.url):
                # It will be sent again as another request.
                reason, charge = None, None
                self._notices.failure(server.url, again(refused, self._message(body)))
            else:
                reason, charge = self._refused(request, status, body)
            if reason is None:
                reasons.pop(key, None)
            elif key in reasons:
                reasons[key] = reason
            if charge is not None:
                charges.append(charge)
        if ended.status == "completed":
            # Their results are lost, and may have been billed. An expired batch bills what it answered.
            unheard = [request for key, request in requests.items() if key not in heard]
            charges += [Charge(0, worst_case(request, self._settings), failed=True) for request in unheard]
        ledger = Ledger(batch.scope, batch.task or self._session.task, None)
        with self._journal.transaction() as database:
            insert(database, records)
            ledger.settle(database, charges)
            close(database, batch.token)
        self._count(server.url, records, reasons)

    def _count(self, url: str, records: dict[str, Record], reasons: dict[str, str]) -> None:
        self.answered += len(records)
        self.failed += len(reasons)
        for key, reason in reasons.items():
            self._failures[key] += 1
            is_lost = self._failures[key] > self._settings.limits.max_retries
            if is_lost:
                self.lost[key] = reason
            self._notices.failure(url, Verdict("refuse" if is_lost else "fail", reason))
        for record in records.values():
            self._notices.empty(url, record, self._settings.sampling.max_tokens)

    def _refused(self, request: Request, status: int, body: object) -> tuple[str, Charge]:
        """Why a request failed, and what it cost."""
        verdict = judge_status(status, self._message(body))
        if verdict.kind not in ("fail", "limit"):
            self._failures[request.key] += self._settings.limits.max_retries
        return verdict.reason, Charge(0, 0, failed=True)

    def _read(
        self, request: Request, body: object, batch: OpenBatch, records: dict[str, Record]
    ) -> tuple[str | None, Charge]:
        """Add a reply to `records`; returns why it holds no answer, if it holds none, and what it cost."""
        worst = worst_case(request, self._settings)
        try:
            record = read_reply(json.dumps(body).encode())
        except (NoAnswerError, RecursionError) as error:
            return str(error), Charge(0, worst, failed=True)
        structured = self._settings.structured if batch.structured is None else batch.structured
        settings = self._settings.model_copy(update={"structured": structured})
        # Another version of the questions may have had other sampling settings, so what was left out of them
        # is not known.
        same = batch.scope == self._session.ledger.scope
        record |= marks(request.body, request.kind, settings, sampling=same)
        task, questions = self._session.task, self._session.questions
        sent_under: Record = {
            "task": batch.task or task,
            "prompt_hash": batch.prompt_hash or questions.prompt_hash,
        }
        records.setdefault(request.key, {**record, **about(request, task, questions), **sent_under})
        cost = cost_of(record, self._settings)
        return None, Charge(0, worst if cost is None else cost)

    def _message(self, body: object) -> str:
        return self._scrubbed(message_of(body))

    def _scrubbed(self, text: str) -> str:
        return scrub(text, self._secret)


def _messages(batch: Batch) -> str:
    """Why a batch failed, in one line; an empty text if the server does not say it in a known form."""
    errors = batch.to_dict(warnings=False).get("errors")
    problems = errors.get("data") if isinstance(errors, dict) else errors
    each = problems if isinstance(problems, list) else [problems]
    return "; ".join(message for problem in each if (message := message_of(problem)))
