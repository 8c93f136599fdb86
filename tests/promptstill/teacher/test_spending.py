"""No interleaving of processes, crashes, failures and batches passes the cap or pays for a key twice."""

from __future__ import annotations

import tempfile
from collections import Counter
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

from hypothesis import settings as profile
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from promptstill.console.errors import UserError
from promptstill.core.lock import locked
from promptstill.teacher import budget
from promptstill.teacher.budget import USD, Charge, Ledger
from promptstill.teacher.journal import Journal, insert
from promptstill.teacher.open_batches import OpenBatch, OpenBatches, close, drop
from promptstill.teacher.questions import Request

# The worst case of each key.
KEYS = {"a": 1, "b": 3, "c": 4, "d": 7, "e": 9}
PIDS = st.sampled_from([1, 2, 3])


class Spending(RuleBasedStateMachine):
    """Processes that ask online and in batches, fail, answer and crash, against what a provider bills.

    `billed` is what the provider charges: at most the worst case of every request that it got. `asked` counts
    the requests that it got, and `lost` those whose answer can have got lost: the process was killed while
    they were in flight, the connection broke, or the batch was given up.
    """

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.journal = Journal(Path(self.folder.name) / "journal.sqlite")
        self.batches = OpenBatches(self.journal)
        self.alive = {1: 0.0, 2: 0.0, 3: 0.0}
        self.identity = budget._identity
        budget._identity = self.look_up
        self.alone: dict[int, AbstractContextManager[object]] = {}
        self.in_flight: dict[str, int] = {}
        self.asked, self.lost = Counter[str](), Counter[str]()
        self.server: set[str] = set()
        self.billed, self.count = 0, 0

    def look_up(self, pid: int) -> tuple[int, float | None]:
        """Take the place of the operating system, which knows real processes only."""
        return pid, self.alive.get(pid)

    @initialize(cap=st.integers(0, 60))
    def begin(self, cap: int) -> None:
        self.cap = cap
        self.ledgers = {pid: self.ledger(pid) for pid in self.alive}

    def ledger(self, pid: int) -> Ledger:
        ledger = Ledger("scope", "colour", self.cap / USD)
        ledger._me = (pid, self.alive[pid])
        return ledger

    @rule(pid=PIDS)
    def ask_alone(self, pid: int) -> None:
        """Take the lock, which at most one of the processes gets."""
        lock = ExitStack()
        try:
            lock.enter_context(locked(Path(self.folder.name) / "lock", "{pid}", wait=False))
        except UserError:
            assert self.alone
        else:
            assert not self.alone
            self.alone[pid] = lock

    def missing(self, keys: list[str]) -> list[str]:
        """As a run sees it: what is neither known, nor in an open batch, nor in flight in this run."""
        known = {*self.journal.get(keys), *self.batches.holding(keys), *self.in_flight}
        return [key for key in dict.fromkeys(keys) if key not in known]

    @precondition(lambda self: self.alone)
    @rule(keys=st.lists(st.sampled_from(sorted(KEYS)), min_size=1, max_size=4))
    def send(self, keys: list[str]) -> None:
        (pid,), keys = self.alone, self.missing(keys)
        with self.journal.transaction() as database:
            granted = self.ledgers[pid].hold(database, [KEYS[key] for key in keys])
        self.in_flight |= {key: KEYS[key] for key in keys[:granted]}
        self.asked.update(keys[:granted])

    @precondition(lambda self: self.in_flight)
    @rule(data=st.data(), broken=st.booleans())
    def end(self, data: st.DataObject, broken: bool) -> None:
        (pid,) = self.alone
        key = data.draw(st.sampled_from(sorted(self.in_flight)))
        held = self.in_flight.pop(key)
        cost = data.draw(st.integers(0, held))
        self.billed += cost
        self.lost[key] += broken
        with self.journal.transaction() as database:
            insert(database, {} if broken else {key: {"response": "red"}})
            self.ledgers[pid].settle(database, [Charge(held, held if broken else cost, failed=broken)])

    @precondition(lambda self: self.alone)
    @rule(keys=st.lists(st.sampled_from(sorted(KEYS)), min_size=1, max_size=4))
    def plan(self, keys: list[str]) -> None:
        (pid,), keys = self.alone, self.missing(keys)
        with self.journal.transaction() as database:
            fitting = keys[: self.ledgers[pid].fitting(database, [KEYS[key] for key in keys])]
            if fitting:
                self.count += 1
                held = sum(KEYS[key] for key in fitting)
                batch = OpenBatch(f"t{self.count}", "url", None, "colour", "scope", None, None, held)
                requests = ((Request("row", 0, key, {}), {"key": key}) for key in fitting)
                self.batches.plan(database, batch, requests)

    @precondition(lambda self: self.alone)
    @rule(killed=st.booleans())
    def start(self, killed: bool) -> None:
        """Start batches that were planned; a kill comes before the server's ids are written."""
        for batch in self.batches.all():
            if batch.batch_id is None:
                self.batches.update(batch.token, "file_id", "file")
                if batch.token not in self.server:
                    self.server.add(batch.token)
                    self.asked.update(list(self.batches.requests(batch.token)))
                if not killed:
                    self.batches.update(batch.token, "batch_id", "batch")

    @precondition(lambda self: self.alone)
    @rule(data=st.data())
    def take(self, data: st.DataObject) -> None:
        for batch in self.batches.all():
            if batch.batch_id is not None:
                keys = list(self.batches.requests(batch.token))
                costs = [data.draw(st.integers(0, KEYS[key])) for key in keys]
                self.billed += sum(costs)
                with self.journal.transaction() as database:
                    insert(database, {key: {"response": "red"} for key in keys})
                    self.ledgers[1].settle(database, [Charge(0, cost) for cost in costs])
                    close(database, batch.token)

    @rule(data=st.data())
    def give_up(self, data: st.DataObject) -> None:
        for batch in self.batches.all()[:1]:
            keys = list(self.batches.requests(batch.token))
            if batch.token in self.server:
                self.billed += data.draw(st.integers(0, batch.held))
                self.lost.update(keys)
            drop(self.journal, batch)

    @rule(pid=PIDS, data=st.data())
    def kill(self, pid: int, data: st.DataObject) -> None:
        """The system ends the lock of a process that dies."""
        if pid in self.alone:
            for held in self.in_flight.values():
                self.billed += data.draw(st.integers(0, held))
            self.lost.update(list(self.in_flight))
            self.in_flight = {}
            self.alone.pop(pid).__exit__(None, None, None)
        self.alive[pid] += 1.0
        self.ledgers[pid] = self.ledger(pid)

    @invariant()
    def never_more_than_the_cap(self) -> None:
        if hasattr(self, "cap"):
            assert self.billed + sum(self.in_flight.values()) + self.running() <= self.cap

    def running(self) -> int:
        return sum(batch.held for batch in self.batches.all() if batch.token in self.server)

    @invariant()
    def nothing_is_paid_for_twice(self) -> None:
        assert all(count <= 1 + self.lost[key] for key, count in self.asked.items())
        sent = [key for batch in self.batches.all() for key in self.batches.requests(batch.token)]
        assert len(set(sent)) == len(sent)

    def teardown(self) -> None:
        budget._identity = self.identity
        for lock in self.alone.values():
            lock.__exit__(None, None, None)
        self.journal.__exit__(None, None, None)
        self.folder.cleanup()


Spending.TestCase.settings = profile(max_examples=80, stateful_step_count=40, deadline=None)
TestSpending = Spending.TestCase
