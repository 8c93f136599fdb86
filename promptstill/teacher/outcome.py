"""How asking went, online or in batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from promptstill.rows.row import Input
from promptstill.teacher.questions import Inquiry

BUDGET_REACHED = "max_usd is reached"


@dataclass(frozen=True)
class Work:
    """What is to be asked: `jobs` starts an iterator over the rows that lack replies, `rows` is their number,
    and the run stops when more than `most_dead` of them are given up."""

    jobs: Callable[[], Iterator[Inquiry[Input]]]
    rows: int
    most_dead: int


@dataclass
class Outcome:
    """How a run went.

    `dead` has the ids of the rows that were given up, with the reasons. `rows` counts completed rows,
    `answered` requests with an answer, and `failed` calls that failed. `spent` is what this version of the
    questions has cost so far, in pico-USD. `stopped` is the reason for an early stop, if there was one.
    """

    dead: dict[str, str] = field(default_factory=dict)
    rows: int = 0
    answered: int = 0
    failed: int = 0
    spent: int = 0
    stopped: str = ""

    def check_dead(self, most_dead: int) -> None:
        """Note the reason to stop if more rows are given up than allowed."""
        if len(self.dead) > most_dead and not self.stopped:
            last = next(reversed(self.dead.values()))
            rows = "1 row" if len(self.dead) == 1 else f"{len(self.dead)} rows"
            self.stopped = f"{rows} got no answer, the last one: {last}"
