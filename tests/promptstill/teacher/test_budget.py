"""What requests cost, and how a cap ends a run."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from promptstill.console.errors import UserError
from promptstill.rows.row import Input
from promptstill.teacher.budget import USD, cost_of, token_price, worst_case
from promptstill.teacher.questions import Questions
from stages.generate import __main__ as generate
from tests.params import generate_params
from tests.project import REPOSITORY, configure
from tests.promptstill.teacher.project_state import ANSWER_USD, PRICE, SAMPLING, spent
from tests.teacher_server import Fault, TeacherServer


def test_prices_are_exact() -> None:
    price = {"prompt": 0.15, "completion": 0.6}
    halved = price | {"batch": 0.5}
    assert token_price(generate_params(price=price)) == (150_000, 600_000)
    assert token_price(generate_params(price=halved)) == (150_000, 600_000)
    in_batches = generate_params(price=halved, mode="batch", base_url="http://x")
    assert token_price(in_batches) == (75_000, 300_000)
    assert token_price(generate_params()) == (0, 0)
    assert cost_of({"prompt_tokens": 10, "completion_tokens": 2}, generate_params(price=PRICE)) == 18_000_000
    assert cost_of({"response": "x"}, generate_params(price=PRICE)) is None


def test_the_worst_case_is_more_than_any_tokenizer_makes(project: Path) -> None:
    params = generate_params(price=PRICE, sampling=SAMPLING)
    questions = Questions.load("colour", params)
    (request, _) = questions.about(Input(id="a", input="Grüße 你好")).wanted()
    text = request.body["messages"][0]["content"]
    assert worst_case(request, params) > len(text.encode()) * 1_000_000 + 8 * 4_000_000 > 0


def test_cost_is_in_the_metrics_and_every_call_in_the_ledger(ingested: Path, teacher: TeacherServer) -> None:
    configure(ingested, base_url=teacher.url, price=PRICE, sampling=SAMPLING)
    teacher.fault = lambda number, body: {3: Fault(500), 4: Fault(action="half")}.get(number)
    generate.main("colour")
    metrics = json.loads((ingested / "data/generate/colour/metrics.json").read_text())
    assert metrics["cost_usd"] == pytest.approx(36 * ANSWER_USD, abs=1e-6)
    assert (metrics["prompt_tokens"], metrics["completion_tokens"]) == (360, 72)
    paid, calls, failed = spent(ingested)
    assert (calls, failed) == (38, 2)
    # The reply that was lost half way may have been billed, so its worst case counts. An error status costs
    # nothing.
    assert paid > 36 * ANSWER_USD * USD


def test_another_price_needs_no_call_and_changes_no_row(ingested: Path, teacher: TeacherServer) -> None:
    generate.main("colour")
    before = (ingested / "data/generate/colour/rows.jsonl").read_bytes()
    configure(ingested, base_url=teacher.url, price=PRICE, max_failure_fraction=0.5)
    generate.main("colour")
    assert len(teacher.requests) == 36
    assert (ingested / "data/generate/colour/rows.jsonl").read_bytes() == before


def test_the_cap_stops_the_stage_and_a_higher_cap_continues(ingested: Path, teacher: TeacherServer) -> None:
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


def test_requests_in_flight_when_a_run_is_killed_count_as_spent(
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
    assert (calls, failed) == (37, 1), "the two requests in flight count as one failed entry"
    assert paid > 36 * ANSWER_USD * USD


def test_requests_that_were_never_sent_cost_nothing(ingested: Path) -> None:
    with TeacherServer() as gone:
        address = gone.url
    settings: dict[str, Any] = {"price": PRICE, "sampling": SAMPLING, "max_usd": 0.0004, "max_retries": 1}
    configure(ingested, base_url=address, **settings)
    with pytest.raises(UserError, match="cannot connect"):
        generate.main("colour")
    paid, calls, failed = spent(ingested)
    assert paid == 0
    assert calls == failed > 0
