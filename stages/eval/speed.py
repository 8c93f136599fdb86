"""How long the student takes to answer on this machine. A time is a fact about the machine, and reaches no
out."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np

# Single requests, at most.
REQUESTS = 50
# The seconds after which nothing further is sent.
MOST_SECONDS = 15.0


def latencies(texts: Sequence[str], size: int, answer: Callable[[Sequence[str]], object]) -> list[float]:
    """The milliseconds from sending to answer of each text, if `size` texts are sent at a time.

    Texts are sent in their order, after a warm-up with the first. A text takes as long as all that are sent
    with it, tokens and n-grams included. Nothing further is sent after `MOST_SECONDS`.
    """
    answer(texts[:1])
    milliseconds: list[float] = []
    begun = time.perf_counter()
    for start in range(0, len(texts), size):
        sent = texts[start : start + size]
        started = time.perf_counter()
        answer(sent)
        ended = time.perf_counter()
        milliseconds += [1000 * (ended - started)] * len(sent)
        if ended - begun >= MOST_SECONDS:
            break
    return milliseconds


def speed_of(
    rows: int, seconds: float, batched: Sequence[float], single: Sequence[float]
) -> dict[str, float]:
    """The content of `speed/<task>.json`: the rate of a run over all rows, and percentiles of the latency in
    milliseconds."""
    return {
        "rows": rows,
        "rows_per_second": round(rows / seconds, 1),
        "seconds_per_thousand": round(1000 * seconds / rows, 1),
        **_percentiles("single", single),
        **_percentiles("batched", batched),
    }


def _percentiles(name: str, milliseconds: Sequence[float]) -> dict[str, float]:
    p50, p99 = np.percentile(milliseconds, (50, 99)).tolist()
    return {
        f"{name}_requests": len(milliseconds),
        f"{name}_p50_ms": round(p50, 1),
        f"{name}_p99_ms": round(p99, 1),
    }
