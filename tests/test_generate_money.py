"""What requests cost, and that no interleaving of processes, crashes and failures passes the cap."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings as profile
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from stages.generate import __main__ as generate
from stages.generate import budget
from stages.generate.budget import USD, Charge, Ledger, cost_of, token_price, worst_case
from stages.generate.journal import Journal
from stages.generate.params import GenerateParams
from stages.generate.questions import Questions
from stages.shared.errors import UserError
from tests.project import REPOSITORY, configure, params, read_lines, row
from tests.teacher_server import Fault, TeacherServer

PRICE = {"prompt": 1.0, "completion": 4.0}
# The test teacher counts 10 prompt tokens and 2 completion tokens an answer.
ANSWER_USD = (10 * 1.0 + 2 * 4.0) / 1e6
SAMPLING = {"temperature": 0.7, "max_tokens": 8}


def checked(**changes: Any) -> GenerateParams:
    return GenerateParams.check(params(**changes)["generate"], "here")


def spent(project: Path) -> tuple[int, int, int]:
    """Pico-USD, calls and failed calls of the only version in the journal."""
    with sqlite3.connect(project / ".still/journal.sqlite") as database:
        (line,) = database.execute("SELECT spent, calls, failed FROM ledger").fetchall()
        assert database.execute("SELECT total(amount) FROM holds").fetchone() == (0,)
    return line[0], line[1], line[2]


def test_prices_are_exact() -> None:
    assert token_price(checked(price={"prompt": 0.15, "completion": 0.6})) == (150_000, 600_000)
    assert token_price(checked(price={"prompt": 0.15, "completion": 0.6, "batch": 0.5})) == (150_000, 600_000)
    halved = checked(
        price={"prompt": 0.15, "completion": 0.6, "batch": 0.5}, mode="batch", base_url="http://x"
    )
    assert token_price(halved) == (75_000, 300_000)
    assert token_price(checked()) == (0, 0)
    assert cost_of({"prompt_tokens": 10, "completion_tokens": 2}, checked(price=PRICE)) == 18_000_000
    assert cost_of({"response": "x"}, checked(price=PRICE)) is None


def test_the_worst_case_is_more_than_any_tokenizer_makes(project: Path) -> None:
    chosen = checked(price=PRICE, sampling=SAMPLING)
    questions = Questions.load("colour", chosen)
    (request, _) = questions.about({"id": "a", "input": "Grüße 你好"}).wanted()
    text = request.body["messages"][0]["content"]
    assert worst_case(request, chosen) > len(text.encode()) * 1_000_000 + 8 * 4_000_000 > 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"max_usd": 1.0}, "max_usd needs price"),
        ({"max_usd": 1.0, "price": PRICE}, "max_usd needs sampling.max_tokens"),
        ({"samples": 3}, "max_samples must not be less than samples"),
        ({"base_url": "local"}, "base_url: local needs the block local"),
        ({"mode": "batch", "base_url": ["http://a", "http://b"]}, "mode: batch needs one base_url"),
    ],
)
def test_settings_that_cannot_hold_are_told(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        checked(**changes)


def test_cost_is_in_the_metrics_and_every_call_in_the_ledger(ingested: Path, teacher: TeacherServer) -> None:
    configure(ingested, base_url=teacher.url, price=PRICE, sampling=SAMPLING)
    teacher.fault = lambda number, body: {3: Fault(500), 4: Fault(action="half")}.get(number)
    generate.main("colour")
    metrics = json.loads((ingested / "metrics/colour/generate.json").read_text())
    assert metrics["cost_usd"] == pytest.approx(36 * ANSWER_USD, abs=1e-6)
    assert (metrics["prompt_tokens"], metrics["completion_tokens"]) == (360, 72)
    paid, calls, failed = spent(ingested)
    assert (calls, failed) == (38, 2)
    # A reply that was lost half way may have been billed, so its worst case counts; an error status is not.
    assert paid > 36 * ANSWER_USD * USD

    from stages.validate import __main__ as validate

    validate.main("colour")
    judged = json.loads((ingested / "metrics/colour/validate.json").read_text())
    assert judged["cost_usd_per_kept_row"] == pytest.approx(metrics["cost_usd"] / judged["kept"], rel=1e-4)


def test_another_price_costs_no_call_and_changes_no_row(ingested: Path, teacher: TeacherServer) -> None:
    generate.main("colour")
    before = (ingested / "data/generate/colour/rows.jsonl").read_bytes()
    configure(ingested, base_url=teacher.url, price=PRICE, max_failure_fraction=0.5)
    generate.main("colour")
    assert len(teacher.requests) == 36
    assert (ingested / "data/generate/colour/rows.jsonl").read_bytes() == before


def test_the_cap_stops_the_stage_and_raising_it_goes_on(ingested: Path, teacher: TeacherServer) -> None:
    cap = 0.0004
    configure(ingested, base_url=teacher.url, price=PRICE, sampling=SAMPLING, max_usd=cap)
    with pytest.raises(UserError, match=r"max_usd = 0.0004 leaves no room .* raise colour.generate.max_usd"):
        generate.main("colour")
    paid, calls, _ = spent(ingested)
    assert 0 < paid <= cap * USD
    assert calls == len(teacher.requests) < 36
    assert not (ingested / "data/generate/colour/rows.jsonl").exists()
    with pytest.raises(UserError, match="max_usd"):
        generate.main("colour")
    assert len(teacher.requests) == calls, "the cap is for all runs together"

    configure(ingested, base_url=teacher.url, price=PRICE, sampling=SAMPLING, max_usd=1.0)
    generate.main("colour")
    assert len(teacher.requests) == 36
    assert spent(ingested)[0] == pytest.approx(36 * ANSWER_USD * USD)


def test_what_was_in_flight_when_a_run_was_killed_counts_as_spent(
    ingested: Path, teacher: TeacherServer
) -> None:
    teacher.seconds = 30
    configure(ingested, base_url=teacher.url, price=PRICE, sampling=SAMPLING, max_usd=1.0, concurrency=2)
    running = subprocess.Popen(
        [sys.executable, "-m", "stages.generate", "colour"], env=os.environ | {"PYTHONPATH": str(REPOSITORY)}
    )
    while len(teacher.requests) < 2 and running.poll() is None:
        time.sleep(0.01)
    running.send_signal(signal.SIGKILL)
    running.wait()
    teacher.seconds = 0
    generate.main("colour")
    paid, calls, failed = spent(ingested)
    assert (calls, failed) == (37, 1), "the two in flight count as one failed entry"
    assert paid > 36 * ANSWER_USD * USD


def test_what_was_never_sent_costs_nothing(ingested: Path) -> None:
    with TeacherServer() as gone:
        address = gone.url
    settings: dict[str, Any] = {"price": PRICE, "sampling": SAMPLING, "max_usd": 0.0004, "max_retries": 1}
    configure(ingested, base_url=address, **settings)
    with pytest.raises(UserError, match="cannot connect"):
        generate.main("colour")
    paid, calls, failed = spent(ingested)
    assert paid == 0
    assert calls == failed > 0


def test_more_samples_only_where_they_disagree(ingested: Path, teacher: TeacherServer) -> None:
    soft = {
        row(1)["input"]: iter(["red", "blue", "red", "red"]),
        row(2)["input"]: iter(["red", "blue", "green", "blue"]),
    }
    usual = teacher.reply
    teacher.reply = lambda body: next(soft[text]) if (text := line(body)) in soft else usual(body)
    configure(ingested, base_url=teacher.url, max_samples=4)
    generate.main("colour")
    rows = read_lines(ingested / "data/generate/colour/rows.jsonl")
    counts = {one["id"]: len(one["samples"]) for one in rows}
    assert counts.pop("row-001") == 4, "where two disagree, all allowed are asked"
    assert counts.pop("row-002") == 4
    assert set(counts.values()) == {2}
    asked = len(teacher.requests)
    generate.main("colour")
    assert len(teacher.requests) == asked


def line(body: dict[str, Any]) -> str:
    return str(body["messages"][-1]["content"]).strip().splitlines()[-1]


class Spending(RuleBasedStateMachine):
    """Processes that hold, send, fail, answer and crash, against what their calls really cost.

    `billed` is what the provider charges: at most the worst case of every call that was sent.
    """

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.journal = Journal(Path(self.folder.name) / "journal.sqlite")
        self.alive = {1: 0.0, 2: 0.0}
        self.identity = budget._identity
        budget._identity = self.look_up

    def look_up(self, pid: int) -> tuple[int, float | None]:
        """Stands in for the operating system, which knows real processes only."""
        return pid, self.alive.get(pid)

    @initialize(cap=st.integers(0, 60))
    def begin(self, cap: int) -> None:
        self.cap, self.billed = cap, 0
        self.ledgers = {pid: self.ledger(pid) for pid in self.alive}
        self.in_flight: dict[int, list[int]] = {pid: [] for pid in self.alive}

    def ledger(self, pid: int) -> Ledger:
        ledger = Ledger("scope", "colour", self.cap / USD)
        ledger._me = (pid, self.alive[pid])
        return ledger

    @rule(pid=st.sampled_from([1, 2]), amounts=st.lists(st.integers(1, 9), min_size=1, max_size=4))
    def send(self, pid: int, amounts: list[int]) -> None:
        with self.journal.transaction() as database:
            granted = self.ledgers[pid].hold(database, amounts)
        self.in_flight[pid] += amounts[:granted]

    @precondition(lambda self: any(self.in_flight.values()))
    @rule(data=st.data(), lost=st.booleans())
    def end(self, data: st.DataObject, lost: bool) -> None:
        pid = data.draw(st.sampled_from([pid for pid, held in self.in_flight.items() if held]))
        held = self.in_flight[pid].pop()
        cost = data.draw(st.integers(0, held))
        self.billed += cost
        with self.journal.transaction() as database:
            self.ledgers[pid].settle(database, [Charge(held, held if lost else cost, failed=lost)])

    @rule(pid=st.sampled_from([1, 2]), data=st.data())
    def crash(self, pid: int, data: st.DataObject) -> None:
        for held in self.in_flight[pid]:
            self.billed += data.draw(st.integers(0, held))
        self.in_flight[pid] = []
        self.alive[pid] += 1.0
        self.ledgers[pid] = self.ledger(pid)

    @invariant()
    def never_more_than_the_cap(self) -> None:
        if hasattr(self, "cap"):
            assert self.billed + sum(map(sum, self.in_flight.values())) <= self.cap

    def teardown(self) -> None:
        budget._identity = self.identity
        self.journal.__exit__(None, None, None)
        self.folder.cleanup()


Spending.TestCase.settings = profile(max_examples=60, stateful_step_count=40, deadline=None)
TestSpending = Spending.TestCase
