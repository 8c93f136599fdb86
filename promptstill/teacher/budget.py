"""Money: the most that each request may cost, what it did cost, and a cap that no interleaving exceeds.

Amounts are whole pico-USD (1e-12), so sums are exact: a price of 0.15 USD per million tokens is 150,000 per
token. A request is sent only after its worst case is held on disk. When its outcome is on disk, the hold is
replaced by the real cost. Holds of a dead process count as spent, because its requests may have been billed.
"""

from __future__ import annotations

import os
import sqlite3
from dataclasses import dataclass
from itertools import accumulate, takewhile
from typing import Any

import psutil

from promptstill.core.files import canonical_json
from promptstill.teacher.questions import Request
from promptstill.teacher.record import Record, now
from promptstill.teacher.settings import TeacherSettings

USD = 10**12
# Tokens that chat templates add around a message. Byte-level tokenizers make at most one token per byte.
TEMPLATE_TOKENS = 32


@dataclass(frozen=True)
class Charge:
    """How a call ended: `held` was reserved for it, `spent` is what it cost; not `sent`, it was no call."""

    held: int
    spent: int
    failed: bool = False
    sent: bool = True


def token_price(settings: TeacherSettings) -> tuple[int, int]:
    """Pico-USD for one prompt token and one completion token; zero if no price is known."""
    if settings.price is None:
        return 0, 0
    factor = settings.price.batch if settings.mode == "batch" else 1.0
    prompt, completion = settings.price.prompt * factor, settings.price.completion * factor
    return round(prompt * USD / 1_000_000), round(completion * USD / 1_000_000)


def most_tokens(request: Request) -> int:
    """An upper bound on the prompt tokens of a request: its bytes, schema included, and the template."""
    content = request.body["messages"][0]["content"]
    extra = canonical_json(request.body["response_format"]) if "response_format" in request.body else ""
    return len(content.encode()) + len(extra.encode()) + TEMPLATE_TOKENS


def worst_case(request: Request, settings: TeacherSettings) -> int:
    """The most that one try of a request can cost."""
    prompt, completion = token_price(settings)
    return most_tokens(request) * prompt + (settings.sampling.max_tokens or 0) * completion


def cost_of(record: Record, settings: TeacherSettings) -> int | None:
    """What a reply cost; None if the server did not count tokens."""
    if "prompt_tokens" not in record or "completion_tokens" not in record:
        return None
    prompt, completion = token_price(settings)
    return record["prompt_tokens"] * prompt + record["completion_tokens"] * completion


class Ledger:
    """Spending on one version of a task's questions, shared by all processes that use the journal.

    Its methods run inside a transaction of the journal.
    """

    def __init__(self, scope: str, task: str, max_usd: float | None) -> None:
        self.scope, self.task = scope, task
        self.cap = None if max_usd is None else round(max_usd * USD)
        self._me = _identity(os.getpid())

    def settle(self, database: sqlite3.Connection, charges: list[Charge]) -> None:
        """Turn holds into what was spent."""
        spent = sum(charge.spent for charge in charges)
        failed = sum(charge.failed for charge in charges)
        database.execute(
            "INSERT INTO ledger VALUES (?, ?, ?, ?, ?) ON CONFLICT (scope) DO UPDATE SET spent = spent + "
            "excluded.spent, calls = calls + excluded.calls, failed = failed + excluded.failed",
            (self.scope, self.task, spent, sum(charge.sent for charge in charges), failed),
        )
        held = sum(charge.held for charge in charges)
        if held:
            self._add_hold(database, -held)

    def fitting(self, database: sqlite3.Connection, amounts: list[int]) -> int:
        """How many of the amounts, in order, fit under the cap."""
        # What is held is shown, and can be corrected, before anything is spent.
        self.settle(database, [])
        if self.cap is None:
            return len(amounts)
        self._bury(database)
        room = self.cap - self.spent(database) - self.held(database)
        totals = accumulate(amounts)
        return sum(1 for _ in takewhile(lambda total: total <= room, totals))

    def hold(self, database: sqlite3.Connection, amounts: list[int]) -> int:
        """Hold the amounts in order, as many as the cap allows. Returns how many."""
        granted = self.fitting(database, amounts)
        total = sum(amounts[:granted])
        if total and self.cap is not None:
            self._add_hold(database, total)
        return granted

    def spent(self, database: sqlite3.Connection) -> int:
        """What this version has cost so far."""
        line = database.execute("SELECT spent FROM ledger WHERE scope = ?", (self.scope,)).fetchone()
        return line[0] if line else 0

    def held(self, database: sqlite3.Connection) -> int:
        """What is reserved for requests in flight, in any process, and for open batches."""
        total = 0
        for query in ("SELECT amount FROM holds WHERE scope = ?", "SELECT held FROM batches WHERE scope = ?"):
            total += sum(line[0] for line in database.execute(query, (self.scope,)))
        return total

    def correct(self, database: sqlite3.Connection, spent: int, who: str, why: str) -> tuple[int, int]:
        """Set what this version has cost, and keep who and why; returns what it was before and is now.

        Holds of dead processes end with it. Those of running ones stay, and are settled on top.
        """
        self._bury(database)
        before = self.spent(database)
        database.execute("UPDATE ledger SET spent = ? WHERE scope = ?", (spent, self.scope))
        line = (now(), who, self.task, self.scope, before, spent, why)
        database.execute("INSERT INTO corrections VALUES (?, ?, ?, ?, ?, ?, ?)", line)
        return before, spent

    def _add_hold(self, database: sqlite3.Connection, amount: int) -> None:
        database.execute(
            "INSERT INTO holds VALUES (?, ?, ?, ?) ON CONFLICT (scope, pid, started) DO UPDATE SET "
            "amount = amount + excluded.amount",
            (self.scope, *self._me, amount),
        )

    def _bury(self, database: sqlite3.Connection) -> None:
        """Count the holds of dead processes as spent."""
        for pid, started, amount in list(
            database.execute("SELECT pid, started, amount FROM holds WHERE scope = ?", (self.scope,))
        ):
            if _identity(pid) != (pid, started):
                database.execute(
                    "DELETE FROM holds WHERE scope = ? AND pid = ? AND started = ?",
                    (self.scope, pid, started),
                )
                self.settle(database, [Charge(0, amount, failed=True)])


def _identity(pid: int) -> tuple[int, float | None]:
    """A process by number and start time, because numbers are used again."""
    try:
        return pid, psutil.Process(pid).create_time()
    except psutil.NoSuchProcess:
        return pid, None


def usd(amount: int | float) -> float:
    """Pico-USD as USD, to a millionth."""
    return round(amount / USD, 6)


@dataclass
class Tally:
    """Tokens of the replies that a dataset is made of."""

    answers: int = 0
    counted: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0

    def add(self, record: Record) -> None:
        """Count one reply."""
        self.answers += 1
        if "prompt_tokens" in record and "completion_tokens" in record:
            self.counted += 1
            self.prompt_tokens += record["prompt_tokens"]
            self.completion_tokens += record["completion_tokens"]

    def metrics(self, settings: TeacherSettings) -> dict[str, Any]:
        """Tokens and cost; null unless they are known for every reply."""
        if not self.counted or self.counted < self.answers:
            return {"prompt_tokens": None, "completion_tokens": None, "cost_usd": None}
        tokens: Record = {"prompt_tokens": self.prompt_tokens, "completion_tokens": self.completion_tokens}
        cost = None if settings.price is None else usd(cost_of(tokens, settings) or 0)
        return {**tokens, "cost_usd": cost}
