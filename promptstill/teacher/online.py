"""Asking online: rows that lack replies in, replies in the journal out, and the rows that were given up."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager

from promptstill.console.errors import UserError
from promptstill.console.progress import note, progress
from promptstill.rows.row import Input
from promptstill.teacher.access import Access
from promptstill.teacher.budget import Charge, cost_of, most_tokens, usd, worst_case
from promptstill.teacher.call import Caller
from promptstill.teacher.connect import connect
from promptstill.teacher.fleet import AllOutError, Fleet
from promptstill.teacher.notices import Notices
from promptstill.teacher.once import Once
from promptstill.teacher.outcome import BUDGET_REACHED, Outcome, Work
from promptstill.teacher.questions import Inquiry, Request
from promptstill.teacher.record import Record
from promptstill.teacher.replies import Verdict
from promptstill.teacher.server import Server, backoff
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
    except BaseExceptionGroup as group:
        # An error that the user can fix is one line, whichever worker it came up in. Not by `except*`, which
        # before Python 3.11.4 makes a group of what it raises.
        errors, others = group.split(UserError)
        if errors is None or others is not None:
            raise
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
        self._caller = Caller(session)
        self._access = Access(session)
        self.outcome = Outcome()

    async def ask(self, work: Work) -> Outcome:
        """Answer all jobs; stop when more rows than allowed are given up."""
        jobs = work.jobs()
        with _rare_collections(), progress(work.rows, "asking the teacher", state=self._state) as bar:
            self._notices = Notices(lambda text: note(bar, text))

            def completed() -> None:
                self.outcome.rows += 1
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
        if doubt := self._access.doubt():
            self._stop("every request was denied")
            self.outcome.stopped += f"; {doubt}"
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
                if self.outcome.stopped and not self._stopping.is_set():
                    self.outcome.stopped += f"; asked {', '.join(server.url for server in self._servers)}"
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
            if result.kind in ("key", "deny") and self._access.deny(server, result):
                failed_on |= {server.url}
                # If the server is out and was the last, the fleet ends the run.
                if server.out or self._fleet.has_other(failed_on):
                    continue
            if result.kind in ("key", "deny", "refuse"):
                raise GivenUpError(result.reason)
            if result.kind == "fail":
                failed, failed_on = failed + 1, failed_on | {server.url}
                if failed > self._settings.limits.max_retries:
                    raise GivenUpError(result.reason)
                await self._pause(backoff(self._settings.limits, failed))

    def _state(self) -> str:
        """What the progress bar shows beside the rows; times are those of the event loop's clock."""
        parts = [f"{usd(self._writer.spent):.2f} USD"] if self._settings.price is not None else []
        if self.outcome.failed:
            parts.append(f"{self.outcome.failed} failed calls")
        rests = [(server.url, server.paused_until - time.monotonic()) for server in self._servers]
        parts += [f"{url} rests for {seconds:.0f} s" for url, seconds in rests if seconds > 1]
        return ", ".join(parts)

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
        result = await self._caller.call(request, server)
        if isinstance(result, Verdict):
            self._notices.failure(server.url, result)
            self._judge(server, result, started, first)
            self.outcome.failed += 1
            await self._writer.settle(Charge(hold, worst if result.perhaps_billed else 0, failed=True))
            return result
        server.well()
        self._access.accept(server.url)
        self._notices.empty(server.url, result, self._settings.sampling.max_tokens)
        cost = cost_of(result, self._settings)
        await self._writer.settle(Charge(hold, worst if cost is None else cost), (request.key, result))
        self.outcome.answered += 1
        return result

    def _judge(self, server: Server, verdict: Verdict, started: float, first: bool) -> None:
        now = asyncio.get_running_loop().time()
        if verdict.kind == "limit":
            server.limited(started, now, verdict.pause, verdict.reason)
        elif verdict.kind == "fail":
            server.failed(started, now, first, verdict.reason)

    async def _rested(self, server: Server, turn: float) -> None:
        """Wait for the turn under the rate limits, and while the server rests."""
        clock = asyncio.get_running_loop().time
        while (wait := max(turn, server.paused_until) - clock()) > 0:
            await self._pause(wait)
        if self._stopping.is_set():
            raise StoppedError
