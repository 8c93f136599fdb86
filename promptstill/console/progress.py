"""A progress bar with rate and remaining time on a terminal, and an occasional line in a log."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tqdm import tqdm

# Seconds between two lines in a log while rows are completed, and while none is.
SECONDS_A_LINE, SILENT_SECONDS = 20.0, 25.0
# Seconds between two states of a terminal while no row is completed.
SECONDS_A_STATE = 1.0
WORKING = "{desc}: {n_fmt}/{total_fmt} in {elapsed}, {rate_noinv_fmt}, {remaining} left{postfix}"
ENDED = "{desc}: {n_fmt}/{total_fmt} in {elapsed}, {rate_noinv_fmt}{postfix}"


class _Lines:
    """Standard error as a log: one line per state, without the control characters that redraw a bar."""

    def __init__(self) -> None:
        self.written = time.monotonic()

    def write(self, text: str) -> None:
        if text.strip():
            self.written = time.monotonic()
            print(text.strip(), file=sys.stderr, flush=True)


@contextmanager
def progress(total: int, what: str, unit: str = "row", state: Callable[[], str] = str) -> Iterator[tqdm[Any]]:
    """A progress bar with rate and remaining time on a terminal; an occasional line in a log.

    Both go on while no row is completed. `state` gives text that is shown beside the rows. The last line
    gives the total time. Work that ends before the first line is due writes nothing to a log.
    """
    if os.environ.get("RANK", "0") != "0":
        # Of several processes that do the same, the first one shows it.
        yield tqdm(total=total, disable=True)
        return
    lines = None if sys.stderr.isatty() else _Lines()
    silence = SECONDS_A_STATE if lines is None else SILENT_SECONDS
    bar = tqdm(
        total=total,
        desc=what,
        unit=f" {unit}",
        file=lines or sys.stderr,
        mininterval=SECONDS_A_LINE if lines else 0.2,
        bar_format=WORKING if lines else f"{WORKING} |{{bar}}|",
        dynamic_ncols=lines is None,
        delay=SECONDS_A_LINE if lines else 0,
    )
    ended = threading.Event()

    def show() -> None:
        if text := state():
            bar.set_postfix_str(text, refresh=False)

    def beat() -> None:
        """Show the state while no row is completed, which the bar itself does not."""
        wait = silence
        while not ended.wait(wait):
            wait = silence if lines is None else lines.written + silence - time.monotonic()
            if lines is None or wait <= 0:
                show()
                bar.refresh()
                wait = silence

    beating = threading.Thread(target=beat, daemon=True)
    beating.start()
    try:
        yield bar
    finally:
        ended.set()
        beating.join()
        show()
        bar.bar_format = ENDED
        bar.close()


def line(text: str) -> None:
    """Write a line to standard error, above the bars that a terminal shows."""
    tqdm.write(text, file=sys.stderr)


def note(bar: tqdm[Any], text: str) -> None:
    """Write a line above a bar on a terminal, or between the lines of a log."""
    bar.write(text, file=sys.stderr)
