"""The one writer of a run: replies, charges and holds of many workers, in one transaction at a time.

Whatever arrives while a transaction is written goes into the next one. A reply waits only for the disk, and
when many replies arrive, they share a transaction.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass

from promptstill.teacher.budget import Charge, Ledger
from promptstill.teacher.journal import Journal, insert
from promptstill.teacher.record import Record


@dataclass
class _Settlement:
    charge: Charge
    reply: tuple[str, Record] | None
    durable: asyncio.Future[None]


@dataclass
class _Hold:
    amount: int
    granted: asyncio.Future[bool]


class Writer:
    """Takes settlements and requests for holds. Run `run` beside the workers, and `close` it after them."""

    def __init__(self, journal: Journal, ledger: Ledger) -> None:
        self._journal, self._ledger = journal, ledger
        self._queue: asyncio.Queue[_Settlement | _Hold | None] = asyncio.Queue()
        self._waiting: deque[_Hold] = deque()
        self._holds = 0
        self._denying = False
        self.spent = 0

    async def hold(self, amount: int) -> bool:
        """Reserve money on disk. False if the cap leaves no room and nothing in flight could make some."""
        if self._ledger.cap is None:
            return True
        if self._denying:
            return False
        hold = _Hold(amount, asyncio.get_running_loop().create_future())
        self._queue.put_nowait(hold)
        return await hold.granted

    async def settle(self, charge: Charge, reply: tuple[str, Record] | None = None) -> None:
        """Return when the charge, and the reply if there is one, are on disk."""
        settlement = _Settlement(charge, reply, asyncio.get_running_loop().create_future())
        self._queue.put_nowait(settlement)
        await settlement.durable

    def deny(self) -> None:
        """Refuse every hold from now on, including the waiting ones."""
        self._denying = True
        self._refuse_waiting()

    def close(self) -> None:
        """End `run` after everything that is queued so far."""
        self._queue.put_nowait(None)

    async def run(self) -> None:
        """Write until closed. Raises UserError if the journal cannot be written."""
        open_ = True
        while open_:
            batch = [await self._queue.get()]
            while not self._queue.empty():
                batch.append(self._queue.get_nowait())
            open_ = batch[-1] is not None
            settlements = [item for item in batch if isinstance(item, _Settlement)]
            self._waiting.extend(item for item in batch if isinstance(item, _Hold))
            if self._denying:
                self._refuse_waiting()
            if not settlements and not self._waiting:
                continue
            # Not in a thread: it would wait for the interpreter's lock at every row that SQLite takes, which
            # costs more than pausing the loop for one write.
            granted = self._write(settlements, [hold.amount for hold in self._waiting])
            self._holds += granted - sum(settlement.charge.held > 0 for settlement in settlements)
            for _ in range(min(granted, len(self._waiting))):
                _set(self._waiting.popleft().granted, True)
            for settlement in settlements:
                if not settlement.durable.done():
                    settlement.durable.set_result(None)
            if not self._holds:
                self._refuse_waiting()

    def _write(self, settlements: list[_Settlement], amounts: list[int]) -> int:
        with self._journal.transaction() as database:
            if settlements:
                insert(database, dict(item.reply for item in settlements if item.reply is not None))
                self._ledger.settle(database, [item.charge for item in settlements])
            granted = self._ledger.hold(database, amounts) if amounts else 0
            self.spent = self._ledger.spent(database)
        return granted

    def _refuse_waiting(self) -> None:
        while self._waiting:
            _set(self._waiting.popleft().granted, False)


def _set(future: asyncio.Future[bool], value: bool) -> None:
    if not future.done():
        future.set_result(value)
