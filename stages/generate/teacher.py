"""Asking online: rows with missing answers in, answers in the journal out, rows that were given up told."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager

import httpx2
import openai

from stages.generate.budget import Charge, Ledger, cost_of, most_tokens, usd, worst_case
from stages.generate.features import Features
from stages.generate.fleet import AllOutError, Fleet, Server, backoff
from stages.generate.journal import Journal, Record
from stages.generate.params import GenerateParams
from stages.generate.questions import Inquiry, Questions, Request
from stages.generate.replies import NoAnswerError, Verdict, about, message_of, read_reply, verdict
from stages.generate.run import BUDGET_REACHED, Run
from stages.generate.writer import Writer
from stages.shared.report import progress


class GivenUpError(Exception):
    """A request that got no answer after all tries, or never can get one."""


class StoppedError(Exception):
    """The run ends; nothing further is sent."""


def connect(urls: tuple[str, ...], key: str | None, params: GenerateParams) -> list[Server]:
    """A client for each server, with as many connections as requests may be in flight.

    The client's own retries are off: they would send again before a long Retry-After has passed, and nobody
    would count them.
    """
    most = params.limits.concurrency
    connections = httpx2.Limits(max_connections=most, max_keepalive_connections=most)
    return [
        Server(
            url,
            openai.AsyncOpenAI(
                base_url=url,
                api_key=key or "no-key-set",
                timeout=None,
                max_retries=0,
                http_client=openai.DefaultAioHttpClient(limits=connections, timeout=None),
            ),
            params.limits,
        )
        for url in urls
    ]


@contextmanager
def _rare_collections() -> Iterator[None]:
    """Look for reference cycles after 400,000 new objects instead of 700.

    Thousands of requests in flight are hundreds of thousands of live objects, and walking them all over and
    over took nearly half of the client's CPU time at 4,096 in flight.
    """
    usual = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(400_000, 20, 100)
    try:
        yield
    finally:
        gc.set_threshold(*usual)
        gc.unfreeze()


class Asker:
    """Workers that share an iterator of rows, the servers and one writer."""

    def __init__(
        self,
        questions: Questions,
        task: str,
        servers: list[Server],
        journal: Journal,
        ledger: Ledger,
        key: str | None,
    ) -> None:
        self._questions, self._params, self._task = questions, questions.params, task
        self._servers, self._fleet = servers, Fleet(servers)
        self._journal, self._ledger, self._key = journal, ledger, key or ""
        self._writer = Writer(journal, ledger)
        self._stopping = asyncio.Event()
        self._features = Features(journal, self._params.model, [server.url for server in servers])
        self.run = Run()

    async def ask(self, jobs: Iterator[Inquiry], rows: int, most_dead: int) -> Run:
        """Answer all jobs, `rows` of them; stop when more than `most_dead` rows are given up."""
        with _rare_collections(), progress(rows, "asking the teacher") as bar:

            def told() -> None:
                self.run.rows += 1
                if self._params.price is not None:
                    bar.set_postfix_str(f"{usd(self._writer.spent):.2f} USD", refresh=False)
                bar.update(1)

            async with AsyncExitStack() as clients, asyncio.TaskGroup() as tasks:
                for server in self._servers:
                    await clients.enter_async_context(server.client)
                tasks.create_task(self._writer.run())
                workers = min(rows, self._params.limits.concurrency * len(self._servers))
                # Where the journal cannot be written, its group ends the workers too: nobody waits for ever.
                async with asyncio.TaskGroup() as group:
                    for _ in range(workers):
                        group.create_task(self._work(jobs, most_dead, told))
                self._writer.close()
        self.run.spent = self._writer.spent
        return self.run

    async def _work(self, jobs: Iterator[Inquiry], most_dead: int, told: Callable[[], None]) -> None:
        for inquiry in jobs:
            try:
                while wanted := inquiry.wanted():
                    for request in wanted:
                        inquiry.known[request.key] = await self._answer(request)
                told()
            except GivenUpError as error:
                self.run.dead[inquiry.row["id"]] = str(error)
                if len(self.run.dead) > most_dead:
                    self._stop(f"{len(self.run.dead)} rows got no answer, the last one: {error}")
            except AllOutError as error:
                self._stop(str(error))
            except StoppedError:
                pass
            if self._stopping.is_set():
                return

    def _stop(self, reason: str) -> None:
        """Send nothing further. What is in flight is paid for, so its answers are awaited."""
        self.run.stopped = self.run.stopped or reason
        self._stopping.set()
        self._writer.deny()
        self._fleet.close(reason)

    async def _answer(self, request: Request) -> Record:
        """Try until there is an answer on disk. Raises GivenUpError, StoppedError or AllOutError."""
        failed, failed_on = 0, frozenset[str]()
        while True:
            server = await self._fleet.place(failed_on)
            try:
                outcome = await self._try(request, server, first=failed == 0)
            finally:
                self._fleet.leave(server)
            if isinstance(outcome, dict):
                return outcome
            if outcome.kind == "stop":
                self._stop(outcome.reason)
                raise StoppedError
            if outcome.kind == "refuse":
                raise GivenUpError(outcome.reason)
            if outcome.kind == "fail":
                failed, failed_on = failed + 1, failed_on | {server.url}
                if failed > self._params.limits.max_retries:
                    raise GivenUpError(outcome.reason)
                await self._pause(backoff(self._params.limits, failed))

    async def _pause(self, seconds: float) -> None:
        """Wait, unless the run ends. Raises StoppedError where it does."""
        if not self._stopping.is_set():
            try:
                async with asyncio.timeout(seconds):
                    await self._stopping.wait()
            except TimeoutError:
                return
        raise StoppedError

    async def _try(self, request: Request, server: Server, first: bool) -> Record | Verdict:
        """One call: a record that is on disk, or what went wrong."""
        loop = asyncio.get_running_loop()
        turn = server.turn(most_tokens(request) // 4, loop.time())
        await self._rested(server, turn)
        held = worst_case(request, self._params)
        if not await self._writer.hold(held):
            if not self._stopping.is_set():
                self._stop(BUDGET_REACHED)
            raise StoppedError
        hold = held if self._ledger.cap is not None else 0
        try:
            # Once more: a rest may have begun while the money was put aside.
            await self._rested(server, turn)
        except StoppedError:
            await self._writer.settle(Charge(hold, 0))
            raise
        started = loop.time()
        try:
            record = await self._call(request, server)
        except (openai.APIError, TimeoutError, NoAnswerError) as error:
            found = self._verdict(error, request, server)
            if found.kind != "again":
                self._judge(server, found, started, first)
            self.run.failed += 1
            await self._writer.settle(Charge(hold, held if found.perhaps_billed else 0, failed=True))
            return found
        server.well()
        cost = cost_of(record, self._params)
        await self._writer.settle(Charge(hold, held if cost is None else cost), (request.key, record))
        self.run.answered += 1
        return record

    def _verdict(self, error: Exception, request: Request, server: Server) -> Verdict:
        if isinstance(error, openai.APIStatusError):
            said, sent = message_of(error.body), self._features.body(request, server.url)
            if refused := self._features.learn(error.status_code, said, sent, server.url):
                return Verdict("again", f"sent without {', '.join(refused)}")
        return verdict(error, self._key)

    def _judge(self, server: Server, found: Verdict, started: float, first: bool) -> None:
        now = asyncio.get_running_loop().time()
        if found.kind == "limit":
            server.limited(started, now, found.pause)
        elif found.kind == "fail":
            server.failed(started, now, first, found.reason)

    async def _rested(self, server: Server, turn: float) -> None:
        """Wait for the turn under the rate limits, and while the server rests."""
        clock = asyncio.get_running_loop().time
        while (wait := max(turn, server.paused_until) - clock()) > 0:
            await self._pause(wait)
        if self._stopping.is_set():
            raise StoppedError

    async def _call(self, request: Request, server: Server) -> Record:
        began = time.monotonic()
        body = self._features.body(request, server.url)
        async with asyncio.timeout(self._params.limits.timeout_seconds):
            # The same call as chat.completions.create, without the walk through typed dictionaries that takes
            # a third of its time: the body is JSON already, and the reply is read in read_reply.
            reply = await server.client.post("/chat/completions", body=body, cast_to=httpx2.Response)
        record = read_reply(reply.content)
        if self._params.structured and request.kind == "answer":
            record["structured"] = "response_format" in body
        return (
            record
            | about(request, self._task, self._questions)
            | {"seconds": round(time.monotonic() - began, 3)}
        )
