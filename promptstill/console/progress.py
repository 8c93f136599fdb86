"""A progress bar with rate and remaining time on a terminal, and an occasional line in a log."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tqdm import tqdm

# Seconds between two lines in a log.
SECONDS_A_LINE = 20.0
WORKING = "{desc}: {n_fmt}/{total_fmt}, {rate_noinv_fmt}, {remaining} left{postfix}"
ENDED = "{desc}: {n_fmt}/{total_fmt} in {elapsed}, {rate_noinv_fmt}{postfix}"


class _Lines:
    """Standard error as a log: one line per state, without the control characters that redraw a bar."""

    def write(self, text: str) -> None:
        if text.strip():
            print(text.strip(), file=sys.stderr, flush=True)


@contextmanager
def progress(total: int, what: str, unit: str = "row") -> Iterator[tqdm[Any]]:
    """A progress bar with rate and remaining time on a terminal; an occasional line in a log.

    Its last line gives the total time. Work that ends before the first line is due writes nothing to a log.
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
