"""What a stage tells its user: progress while it works, three lines when it ends."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from tqdm import tqdm

# Between two lines of a log.
SECONDS_A_LINE = 20.0
WORKING = "{desc}: {n_fmt}/{total_fmt}, {rate_noinv_fmt}, {remaining} left{postfix}"
ENDED = "{desc}: {n_fmt}/{total_fmt} in {elapsed}, {rate_noinv_fmt}{postfix}"


class _Lines:
    """Standard error as a log: one line for each state, without the returns and blanks that redraw a bar."""

    def write(self, text: str) -> None:
        if text.strip():
            print(text.strip(), file=sys.stderr, flush=True)


@contextmanager
def progress(total: int, what: str, unit: str = "row") -> Iterator[tqdm[Any]]:
    """A progress bar with rate and remaining time on a terminal; a line now and then in a log.

    Its last state tells how long the work took. In a log, work that is done before the first line is due
    tells nothing.
    """
    terminal = sys.stderr.isatty()
    bar = tqdm(
        total=total,
        desc=what,
        unit=f" {unit}",
        file=sys.stderr if terminal else _Lines(),
        mininterval=0.2 if terminal else SECONDS_A_LINE,
        bar_format=f"{WORKING} |{{bar}}|" if terminal else WORKING,
        dynamic_ncols=terminal,
        delay=0 if terminal else SECONDS_A_LINE,
    )
    try:
        yield bar
    finally:
        bar.bar_format = ENDED
        bar.close()


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
