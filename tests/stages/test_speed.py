"""eval: how requests and batches are timed. No test asserts a time."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from stages.eval import speed
from stages.eval.speed import latencies, speed_of


def test_texts_are_sent_in_their_order_after_a_warm_up_with_the_first() -> None:
    sent: list[Sequence[str]] = []
    assert len(latencies("abc", 1, sent.append)) == 3
    assert sent == ["a", "a", "b", "c"]


def test_every_text_takes_as_long_as_all_that_are_sent_with_it() -> None:
    sent: list[Sequence[str]] = []
    milliseconds = latencies("abcdefgh", 3, sent.append)
    assert sent == ["a", "abc", "def", "gh"]
    assert len(milliseconds) == 8
    assert [len(set(milliseconds[i : i + 3])) for i in (0, 3, 6)] == [1, 1, 1]


def test_nothing_further_is_sent_when_the_time_is_used_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed, "MOST_SECONDS", 0.0)
    assert len(latencies("abcd", 2, lambda texts: None)) == 2


def test_speed_has_the_rate_and_percentiles_in_milliseconds() -> None:
    assert speed_of(100, 20.0, [1000.0] * 30 + [3000.0] * 10, [float(i) for i in range(101)]) == {
        "rows": 100,
        "rows_per_second": 5.0,
        "seconds_per_thousand": 200.0,
        "single_requests": 101,
        "single_p50_ms": 50.0,
        "single_p99_ms": 99.0,
        "batched_requests": 40,
        "batched_p50_ms": 1000.0,
        "batched_p99_ms": 3000.0,
    }
