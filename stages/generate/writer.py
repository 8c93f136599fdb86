"""The one writer of a run: answers, charges and holds of many workers, in one transaction at a time.

Whatever comes in while a transaction is written goes into the next one: an answer waits for nothing but the
disk, and when many come in, many share a transaction.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass

from stages.generate.budget import Charge, Ledger
from stages.generate.journal import Journal, Record, insert


@dataclass
class _Outcome:
    charge: Charge
    answer: tuple[str, Record] | None
    durable: asyncio.Future[None]


@dataclass
class _Hold:
    amount: int
    granted: asyncio.Future[bool]


class Writer:
    """Give it outcomes and wishes for holds; run `run` beside the workers and `close` it after them."""

    def __init__(self, journal: Journal, ledger: Ledger) -> None:
        self._journal, self._ledger = journal, ledger
        self._queue: asyncio.Queue[_Outcome | _Hold | None] = asyncio.Queue()
        self._waiting: deque[_Hold] = deque()
        self._holds = 0
        self._denying = False
        self.spent = 0

    async def hold(self, amount: int) -> bool:
        """Reserve money durably. False when the cap leaves no room and nothing in flight could make some."""
        if self._ledger.cap is None:
            return True
        if self._denying:
            return False
        wish = _Hold(amount, asyncio.get_running_loop().create_future())
        self._queue.put_nowait(wish)
        return await wish.granted

    async def settle(self, charge: Charge, answer: tuple[str, Record] | None = None) -> None:
        """Return when the charge, and the answer where there is one, are on disk."""
        outcome = _Outcome(charge, answer, asyncio.get_running_loop().create_future())
        self._queue.put_nowait(outcome)
        await outcome.durable

    def deny(self) -> None:
        """Refuse every hold from now on, and those that wait."""
        self._denying = True
        self._refuse_waiting()

    def close(self) -> None:
        """End `run` after what has been given so far."""
        self._queue.put_nowait(None)

    async def run(self) -> None:
        """Write until closed. Raises UserError where the journal cannot be written."""
        open_ = True
        while open_:
            batch = [await self._queue.get()]
            while not self._queue.empty():
                batch.append(self._queue.get_nowait())
            open_ = batch[-1] is not None
            outcomes = [one for one in batch if isinstance(one, _Outcome)]
            self._waiting.extend(one for one in batch if isinstance(one, _Hold))
            if self._denying:
                self._refuse_waiting()
            if not outcomes and not self._waiting:
                continue
            # Not in a thread: it would wait for the interpreter's lock at every row that SQLite takes, which
            # costs more than the loop's pause of one write.
            granted = self._write(outcomes, [one.amount for one in self._waiting])
            self._holds += granted - sum(one.charge.held > 0 for one in outcomes)
            for _ in range(min(granted, len(self._waiting))):
                _set(self._waiting.popleft().granted, True)
            for one in outcomes:
                if not one.durable.done():
                    one.durable.set_result(None)
            if not self._holds:
                self._refuse_waiting()

    def _write(self, outcomes: list[_Outcome], wishes: list[int]) -> int:
        with self._journal.transaction() as database:
            if outcomes:
                insert(database, dict(one.answer for one in outcomes if one.answer is not None))
                self._ledger.settle(database, [one.charge for one in outcomes])
            granted = self._ledger.hold(database, wishes) if wishes else 0
            self.spent = self._ledger.spent(database)
        return granted

    def _refuse_waiting(self) -> None:
        while self._waiting:
            _set(self._waiting.popleft().granted, False)


def _set(future: asyncio.Future[bool], value: bool) -> None:
    if not future.done():
        future.set_result(value)
