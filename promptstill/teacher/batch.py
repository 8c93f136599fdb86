"""Asking through the Batch API: batches of requests are sent in waves until nothing is missing.

Every step is written to the journal before the next one begins. A run that is killed at any point continues
without sending anything twice, and so does a run in another mode: a key that is in an open batch is waited
for, whatever settings the batch was sent under.
"""

from __future__ import annotations

import asyncio
import uuid
from itertools import islice

from promptstill.console.progress import progress
from promptstill.rows.row import Input
from promptstill.teacher.budget import worst_case
from promptstill.teacher.capabilities import Capabilities
from promptstill.teacher.collect import Collector
from promptstill.teacher.lookup import CHUNK
from promptstill.teacher.open_batches import OpenBatch, OpenBatches
from promptstill.teacher.outcome import BUDGET_REACHED, Outcome, Work
from promptstill.teacher.questions import Inquiry, Request
from promptstill.teacher.session import Session


def collect_batches(session: Session, work: Work) -> int:
    """Wait for the open batches that have something of what is missing. Returns how many replies arrived.

    Raises UserError if a server cannot be used.
    """
    settings = session.settings
    uploads_to = settings.base_urls[0] if settings.mode == "batch" else None
    batches, collector = OpenBatches(session.journal), Collector(session, uploads_to)

    async def collect() -> None:
        # Replies decide what else is missing, so look until nothing new is found.
        while batches.all() and (tokens := _holding(batches, work)):
            await collector.finish(tokens)

    if batches.all():
        asyncio.run(collect())
    return collector.answered


def _holding(batches: OpenBatches, work: Work) -> set[str]:
    """The open batches that have a missing key."""
    tokens: set[str] = set()
    keys: list[str] = []
    for inquiry in work.jobs():
        keys += [request.key for request in inquiry.wanted()]
        if len(keys) >= CHUNK:
            tokens |= set(batches.holding(keys).values())
            keys = []
    return tokens | set(batches.holding(keys).values())


async def ask_in_batches(session: Session, work: Work) -> Outcome:
    """Ask for everything that is missing.

    Raises UserError if the server cannot be used; the next run continues with what was sent.
    """
    return await BatchAsker(session, work).ask()


class BatchAsker:
    """One run over the Batch API of one server."""

    def __init__(self, session: Session, work: Work) -> None:
        self._session, self._work = session, work
        self._settings, self._ledger = session.settings, session.ledger
        self._url = session.settings.base_urls[0]
        self._journal, self._batches = session.journal, OpenBatches(session.journal)
        self._collector = Collector(session, self._url)
        self.outcome = Outcome()

    async def ask(self) -> Outcome:
        """Send waves until every row is complete or given up."""
        outcome, rows = self.outcome, self._work.rows
        with progress(rows, "asking in batches") as bar:
            while not outcome.stopped:
                lacking, tokens = await self._send_wave()
                if not outcome.stopped:
                    bar.update(rows - lacking - bar.n)
                if lacking and not tokens:
                    outcome.stopped = outcome.stopped or BUDGET_REACHED
                if not tokens:
                    break
                await self._collector.finish(tokens)
                outcome.stopped = outcome.stopped or self._collector.refused
            # Rows that were given up lack something too. A run that stopped has not looked at every row.
            outcome.rows = rows - sum(1 for _ in self._work.jobs())
            bar.update(outcome.rows + len(outcome.dead) - bar.n)
        outcome.answered, outcome.failed = self._collector.answered, self._collector.failed
        return outcome

    async def _send_wave(self) -> tuple[int, set[str]]:
        """Send everything that is wanted now and in no open batch.

        Returns how many rows lack something, and the batches that have it; no batches if the run stops.
        """
        lacking, tokens = 0, set[str]()
        pending: dict[str, Request] = {}
        for inquiry in self._work.jobs():
            wanted = inquiry.wanted()
            if self._given_up(inquiry, wanted):
                if self.outcome.stopped:
                    return lacking, set()
                continue
            lacking += 1
            pending |= {request.key: request for request in wanted}
            if len(pending) >= self._settings.batch.requests:
                tokens |= await self._send(pending, self._settings.batch.requests)
        return lacking, tokens | await self._send(pending, 1)

    def _given_up(self, inquiry: Inquiry[Input], wanted: list[Request]) -> bool:
        lost = self._collector.lost
        reason = next((lost[request.key] for request in wanted if request.key in lost), None)
        if reason is None:
            return False
        self.outcome.dead[inquiry.row["id"]] = reason
        self.outcome.check_dead(self._work.most_dead)
        return True

    async def _send(self, pending: dict[str, Request], least: int) -> set[str]:
        """Send batches while `least` requests are pending, and take what was sent out of `pending`.

        Returns the batches, and those that had some of the requests already.
        """
        open_ = self._batches.holding(pending)
        for key in open_:
            del pending[key]
        tokens = set(open_.values())
        while len(pending) >= least:
            keys = list(islice(pending, self._settings.batch.requests))
            if token := self._plan([pending.pop(key) for key in keys]):
                tokens.add(token)
                await self._collector.start(token)
        return tokens

    def _plan(self, requests: list[Request]) -> str | None:
        """Write a batch of as many requests as the budget allows; returns its token, or None."""
        settings, token = self._settings, uuid.uuid4().hex
        costs = [worst_case(request, settings) for request in requests]
        # What the server refuses was learnt from the batches before.
        capabilities = Capabilities(self._journal, settings.model)
        with self._journal.transaction() as database:
            fitting = self._ledger.fitting(database, costs)
            if not fitting:
                return None
            batch = OpenBatch(
                token,
                self._url,
                settings.api_key_env,
                self._session.task,
                self._ledger.scope,
                self._session.questions.prompt_hash,
                settings.structured,
                sum(costs[:fitting]),
            )
            bodies = ((request, capabilities.body(request, self._url)) for request in requests[:fitting])
            self._batches.plan(database, batch, bodies)
        return token
