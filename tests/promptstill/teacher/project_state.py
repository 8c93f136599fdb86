"""What the tests of the teacher know about the small project: its counts, its prices and what it wrote."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

from promptstill.teacher.settings import Limits
from tests.params import section
from tests.project import read_lines

# Of the fixture `ingested`: 12 rows and 6 golden cases, two samples of each.
ROWS, REQUESTS = 12, 36
PRICE = {"prompt": 1.0, "completion": 4.0}
SAMPLING = {"temperature": 0.7, "max_tokens": 8}
# The test teacher counts 10 prompt tokens and 2 completion tokens per answer.
ANSWER_USD = (10 * 1.0 + 2 * 4.0) / 1e6


def limits(**changes: Any) -> Limits:
    """The checked block `generate.limits`."""
    return Limits.check(section(**changes)["generate"]["limits"], "here")


def sampled_rows(project: Path) -> list[dict[str, Any]]:
    """The rows that generate wrote, without the times at which their answers were recorded."""
    rows = read_lines(project / "data/generate/colour/rows.jsonl")
    for row in rows:
        del row["teacher"]["recorded_at"]
    return rows


def spent(project: Path) -> tuple[int, int, int]:
    """Pico-USD, calls and failed calls of the only version in the journal. Nothing is held any more."""
    with sqlite3.connect(project / ".still/journal.sqlite") as database:
        (line,) = database.execute("SELECT spent, calls, failed FROM ledger").fetchall()
        assert database.execute("SELECT total(amount) FROM holds").fetchone() == (0,)
    return line[0], line[1], line[2]
