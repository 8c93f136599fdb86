"""Asking online: rows that lack replies in, replies in the journal out, and the rows that were given up."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager

import httpx2
import openai

from promptstill.console.errors import UserError
from promptstill.console.progress import progress
from promptstill.rows.row import Input
from promptstill.teacher.budget import Charge, cost_of, most_tokens, usd, worst_case
from promptstill.teacher.capabilities import Capabilities
from promptstill.teacher.fleet import AllOutError, Fleet, Server, backoff, connect
from promptstill.teacher.once import Once
from promptstill.teacher.outcome import BUDGET_REACHED, Outcome, Work
from promptstill.teacher.questions import Inquiry, Request
from promptstill.teacher.record import Record
from promptstill.teacher.replies import NoAnswerError, Verdict, about, message_of, read_reply, verdict_on
from promptstill.teacher.session import Session
from promptstill.teacher.writer import Writer


class GivenUpError(Exception):
    """A request that got no reply after all tries, or that can never get one."""


class StoppedError(Exception):
    """The run ends; nothing further is sent."""


async def ask_online(session: Session, work: Work, urls: tuple[str, ...]) -> Outcome:
    """Ask for everything that is missing, from all servers at once."""
    servers = connect(urls, session.api_key, session.settings.limits)
    try:
        return await OnlineAsker(session, servers).ask(work)
    except* UserError as errors:
        # An error that the user can fix is one line, whichever worker it came up in.
        raise _first_of(errors) from None


def _first_of(group: BaseExceptionGroup[UserError]) -> UserError:
    error = group.exceptions[0]
    return _first_of(error) if isinstance(error, BaseExceptionGroup) else error


@contextmanager
def _rare_collections() -> Iterator[None]:
    """Look for reference cycles after 400,000 new objects instead of 700.

    Thousands of requests in flight are hundreds of thousands of live objects. Walking them again and again
    took nearly half of the client's CPU time at 4,096 in flight.
    """
    usual = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(400_000, 20, 100)
    try:
        yield
    finally:
        gc.set_threshold(*usual)
        gc.unfreeze()


class OnlineAsker:
    """Workers that share an iterator of rows, the servers and one writer."""

    def __init__(self, session: Session, servers: list[Server]) -> None:
        self._session, self._settings = session, session.settings
        self._servers, self._fleet = servers, Fleet(servers)
        self._writer = Writer(session.journal, session.ledger)
        self._once = Once(session.known)
        self._stopping = asyncio.Event()
        urls = [server.url for server in servers]
        self._capabilities = Capabilities(session.journal, self._settings.model, urls)
        self.outcome = Outcome()

    async def ask(self, work: Work) -> Outcome:
        """Answer all jobs; stop when more rows than allowed are given up."""
        jobs = work.jobs()
        with _rare_collections(), progress(work.rows, "asking the teacher") as bar:

            def completed() -> None:
                self.outcome.rows += 1
                if self._settings.price is not None:
                    bar.set_postfix_str(f"{usd(self._writer.spent):.2f} USD", refresh=False)
                bar.update(1)

            async with AsyncExitStack() as clients, asyncio.TaskGroup() as tasks:
                for server in self._servers:
                    await clients.enter_async_context(server.client)
                tasks.create_task(self._writer.run())
                workers = min(work.rows, self._settings.limits.concurrency * len(self._servers))
                # If the journal cannot be written, the outer group ends the workers too.
                async with asyncio.TaskGroup() as group:
                    for _ in range(workers):
                        group.create_task(self._work(jobs, work.most_dead, completed))
                self._writer.close()
        self.outcome.spent = self._writer.spent
        return self.outcome

    async def _work(
        self, jobs: Iterator[Inquiry[Input]], most_dead: int, completed: Callable[[], None]
    ) -> None:
        for inquiry in jobs:
            try:
                while wanted := inquiry.wanted():
                    for request in wanted:
                        inquiry.known[request.key] = await self._once.reply(request, self._reply)
                completed()
            except GivenUpError as error:
                self.outcome.dead[inquiry.row["id"]] = str(error)
                self.outcome.check_dead(most_dead)
                if self.outcome.stopped:
                    self._stop(self.outcome.stopped)
            except AllOutError as error:
                self._stop(str(error))
            except StoppedError:
                pass
            if self._stopping.is_set():
                return

    def _stop(self, reason: str) -> None:
        """Send nothing further. What is in flight is paid for, so its replies are awaited."""
        self.outcome.stopped = self.outcome.stopped or reason
        self._stopping.set()
        self._writer.deny()
        self._fleet.close(reason)

    async def _reply(self, request: Request) -> Record:
        """Try until a reply is on disk. Raises GivenUpError, StoppedError or AllOutError."""
        failed, failed_on = 0, frozenset[str]()
        while True:
            server = await self._fleet.place(failed_on)
            try:
                result = await self._try(request, server, first=failed == 0)
            finally:
                self._fleet.leave(server)
            if not isinstance(result, Verdict):
                return result
            if result.kind == "stop":
                self._stop(result.reason)
                raise StoppedError
            if result.kind == "refuse":
                raise GivenUpError(result.reason)
            if result.kind == "fail":
                failed, failed_on = failed + 1, failed_on | {server.url}
                if failed > self._settings.limits.max_retries:
                    raise GivenUpError(result.reason)
                await self._pause(backoff(self._settings.limits, failed))

    async def _pause(self, seconds: float) -> None:
        """Wait, unless the run ends. Raises StoppedError if it does."""
        if not self._stopping.is_set():
            try:
                async with asyncio.timeout(seconds):
                    await self._stopping.wait()
            except TimeoutError:
                return
        raise StoppedError

    async def _try(self, request: Request, server: Server, first: bool) -> Record | Verdict:
        """One call: a record that is on disk, or the verdict on its failure."""
        loop = asyncio.get_running_loop()
        turn = server.turn(most_tokens(request) // 4, loop.time())
        await self._rested(server, turn)
        worst = worst_case(request, self._settings)
        if not await self._writer.hold(worst):
            if not self._stopping.is_set():
                self._stop(BUDGET_REACHED)
            raise StoppedError
        hold = worst if self._session.ledger.cap is not None else 0
        try:
            # Once more, because a rest may have begun while the money was reserved.
            await self._rested(server, turn)
        except StoppedError:
            await self._writer.settle(Charge(hold, 0, sent=False))
            raise
        started = loop.time()
        try:
            record = await self._call(request, server)
        except (openai.APIError, TimeoutError, NoAnswerError) as error:
            verdict = self._verdict(error, request, server)
            if verdict.kind != "again":
                self._judge(server, verdict, started, first)
            self.outcome.failed += 1
            await self._writer.settle(Charge(hold, worst if verdict.perhaps_billed else 0, failed=True))
            return verdict
        server.well()
        cost = cost_of(record, self._settings)
        await self._writer.settle(Charge(hold, worst if cost is None else cost), (request.key, record))
        self.outcome.answered += 1
        return record

    def _verdict(self, error: Exception, request: Request, server: Server) -> Verdict:
        if isinstance(error, openai.APIStatusError):
            message, sent = message_of(error.body), self._capabilities.body(request, server.url)
            if refused := self._capabilities.learn(error.status_code, message, sent, server.url):
                return Verdict("again", f"sent without {', '.join(refused)}")
        return verdict_on(error, self._session.api_key or "")

    def _judge(self, server: Server, verdict: Verdict, started: float, first: bool) -> None:
        now = asyncio.get_running_loop().time()
        if verdict.kind == "limit":
            server.limited(started, now, verdict.pause)
        elif verdict.kind == "fail":
            server.failed(started, now, first, verdict.reason)

    async def _rested(self, server: Server, turn: float) -> None:
        """Wait for the turn under the rate limits, and while the server rests."""
        clock = asyncio.get_running_loop().time
        while (wait := max(turn, server.paused_until) - clock()) > 0:
            await self._pause(wait)
        if self._stopping.is_set():
            raise StoppedError

    async def _call(self, request: Request, server: Server) -> Record:
        began = time.monotonic()
        body = self._capabilities.body(request, server.url)
        async with asyncio.timeout(self._settings.limits.timeout_seconds):
            # The same call as chat.completions.create, without the walk through typed dictionaries that takes
            # a third of its time: the body is JSON already, and read_reply reads the reply.
            reply = await server.client.post("/chat/completions", body=body, cast_to=httpx2.Response)
        record = read_reply(reply.content)
        if self._settings.structured and request.kind == "answer":
            record["structured"] = "response_format" in body
        return {
            **record,
            **about(request, self._session.task, self._session.questions),
            "seconds": round(time.monotonic() - began, 3),
        }
