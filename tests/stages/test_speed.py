"""eval: how requests and batches are timed. No test asserts a time."""

from __future__ import annotations

import pytest

from stages.eval import speed
from stages.eval.speed import REQUESTS, Batches, single_requests, speed_of


def test_single_requests_are_the_first_texts_after_a_warm_up() -> None:
    asked: list[str] = []
    texts = [str(i) for i in range(REQUESTS + 10)]
    assert len(single_requests(texts, asked.append)) == REQUESTS
    assert asked == ["0", *texts[:REQUESTS]]
    assert len(single_requests(texts[:3], asked.append)) == 3


def test_requests_stop_when_the_time_is_used_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed, "MOST_SECONDS", 0.0)
    assert len(single_requests(["a", "b", "c"], lambda text: None)) == 1


def test_every_row_of_a_batch_takes_as_long_as_the_batch() -> None:
    counted: list[int] = []
    batches = Batches(then=counted.append)
    for rows in (3, 1, 2):
        batches.done(rows)
    assert counted == [3, 1, 2]
    first, second, last = batches.milliseconds[:3], batches.milliseconds[3:4], batches.milliseconds[4:]
    assert [len(set(batch)) for batch in (first, second, last)] == [1, 1, 1]
    assert len(last) == 2


def test_speed_has_rows_per_second_and_percentiles_in_milliseconds() -> None:
    assert speed_of(20.0, [1000.0] * 30 + [3000.0] * 10, [float(i) for i in range(101)]) == {
        "rows": 40,
        "rows_per_second": 2.0,
        "single_requests": 101,
        "single_p50_ms": 50.0,
        "single_p99_ms": 99.0,
        "batched_p50_ms": 1000.0,
        "batched_p99_ms": 3000.0,
    }
