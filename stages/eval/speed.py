"""How long the student takes to answer on this machine. A time is a fact about the machine, and reaches no
out."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np

# Single requests, and the seconds after which no further one is sent.
REQUESTS = 50
MOST_SECONDS = 15.0


class Batches:
    """Measures a batched run: `done` is called with the number of rows of each batch that is answered, and
    calls `then` with it.

    `milliseconds` has the time that each row took, which is that of its whole batch.
    """

    def __init__(self, then: Callable[[int], object]) -> None:
        self.milliseconds: list[float] = []
        self._then = then
        self._last = time.perf_counter()

    def done(self, rows: int) -> None:
        """The next batch is answered."""
        now = time.perf_counter()
        self.milliseconds += [1000 * (now - self._last)] * rows
        self._last = now
        self._then(rows)


def single_requests(texts: Sequence[str], answer: Callable[[str], object]) -> list[float]:
    """The milliseconds in which each of the first texts is answered alone, after a warm-up with the first.

    There are at most `REQUESTS`, and fewer if they take more than `MOST_SECONDS` together.
    """
    answer(texts[0])
    milliseconds: list[float] = []
    for text in texts[:REQUESTS]:
        started = time.perf_counter()
        answer(text)
        milliseconds.append(1000 * (time.perf_counter() - started))
        if sum(milliseconds) >= 1000 * MOST_SECONDS:
            break
    return milliseconds


def speed_of(seconds: float, batched: Sequence[float], single: Sequence[float]) -> dict[str, float]:
    """The content of `speed/<task>.json`: rows per second, and percentiles of the latency in milliseconds."""
    return {
        "rows": len(batched),
        "rows_per_second": round(len(batched) / seconds, 1),
        "single_requests": len(single),
        **_percentiles("single", single),
        **_percentiles("batched", batched),
    }


def _percentiles(name: str, milliseconds: Sequence[float]) -> dict[str, float]:
    p50, p99 = np.percentile(milliseconds, (50, 99)).tolist()
    return {f"{name}_p50_ms": round(p50, 1), f"{name}_p99_ms": round(p99, 1)}
