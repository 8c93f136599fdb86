"""What a stage tells its user: progress while it works, three lines when it ends."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from tqdm import tqdm


def progress(total: int, what: str, unit: str = "row") -> tqdm[Any]:
    """A progress bar with rate and remaining time on a terminal; a line every 20 seconds in a log."""
    terminal = sys.stderr.isatty()
    return tqdm(
        total=total,
        desc=what,
        unit=unit,
        leave=terminal,
        mininterval=0.2 if terminal else 20,
        bar_format=None
        if terminal
        else "{desc}: {n_fmt}/{total_fmt} {rate_fmt}, {remaining} left{postfix}\n",
        delay=0 if terminal else 20,
    )


def say(stage: str, task: str, lines: Iterable[str]) -> None:
    """Print a stage's closing summary to standard output."""
    for line in lines:
        print(f"{stage} {task}: {line}", flush=True)


def row_metrics(
    rows_in: int,
    kept: int,
    reasons: Iterable[str],
    review: int = 0,
    **more: Any,  # noqa: ANN401
) -> dict[str, Any]:
    """Counts for `metrics/<task>/<stage>.json`: `input`, `kept`, `rejected` and rows by `reasons`.

    `reasons` holds the first reason of every rejected row; `review` counts rows that wait for a person.
    Raises AssertionError where the parts do not add up: no stage may lose a row silently.
    """
    by_reason = dict(sorted(Counter(reasons).items()))
    rejected = sum(by_reason.values())
    assert kept + rejected + review == rows_in, (
        f"{kept} kept + {rejected} rejected + {review} review != {rows_in}"
    )
    return {
        "input": rows_in,
        "kept": kept,
        "rejected": rejected,
        "review": review,
        "reasons": by_reason,
        **more,
    }


def counted(counts: Mapping[str, int]) -> str:
    """`a 3, b 1` from a mapping of counts; `none` when it is empty."""
    return ", ".join(f"{name} {count}" for name, count in counts.items()) or "none"
