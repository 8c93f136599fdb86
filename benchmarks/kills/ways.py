"""The ways in which the stage runs while it is killed, and what its project and its journal hold."""

from __future__ import annotations

import random
import sqlite3
from dataclasses import dataclass, field
from multiprocessing.context import ForkServerContext
from pathlib import Path
from time import monotonic
from typing import Any

import yaml

from benchmarks.generate.project import TASK, make_project
from benchmarks.kills.stage import run_stage
from promptstill.core.files import read_lines

ROWS, IN_FLIGHT, REQUESTS_A_BATCH = 3_000, 64, 500


@dataclass(frozen=True)
class Way:
    """`processes` at once on one journal, with these settings."""

    name: str
    processes: int
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def in_batches(self) -> bool:
        """Whether requests are in flight in batches, which no kill sends again."""
        return self.settings.get("mode") == "batch"


BATCH = {"mode": "batch", "batch": {"requests": REQUESTS_A_BATCH, "poll_seconds": 0.02}}
WAYS = (Way("online", 1), Way("two_processes", 2), Way("batch", 1, BATCH))


def project(root: Path, url: str, way: Way) -> None:
    """Write what the stage reads in `root`."""
    make_project(root, url, ROWS, IN_FLIGHT)
    document = yaml.safe_load((root / "params.yaml").read_text())
    document[TASK]["generate"] |= way.settings
    (root / "params.yaml").write_text(yaml.safe_dump(document))


def round_of(
    context: ForkServerContext, root: Path, way: Way, pick: random.Random, longest: float | None
) -> tuple[int, bool]:
    """Start the processes, and kill each at a moment of its own, at most `longest` seconds after the start.

    None is killed if that is None.

    Returns the kills, and whether a process came to its end. Then the others are not killed any more.
    """
    running = [context.Process(target=run_stage, args=(str(root),)) for _ in range(way.processes)]
    for process in running:
        process.start()
    began = monotonic()
    kills, ended = 0, longest is None
    waits = sorted(pick.uniform(0, longest or 0.0) for _ in running)
    pick.shuffle(running)
    for process, wait in zip(running, waits, strict=True):
        process.join(None if ended else max(0.0, wait - (monotonic() - began)))
        ended = ended or process.exitcode is not None
        if process.exitcode is None:
            process.kill()
            process.join()
            kills += 1
        elif process.exitcode != 0:
            raise RuntimeError(f"the stage ended with exit status {process.exitcode}")
    return kills, ended


def outs(root: Path) -> list[dict[str, Any]]:
    """The rows that generate wrote, without the times at which their answers were recorded."""
    rows = [row for _, row in read_lines(root / f"data/generate/{TASK}/rows.jsonl")]
    for row in rows:
        del row["teacher"]["recorded_at"]
    return rows


def journaled(root: Path) -> dict[str, str]:
    """Every record in the journal, as a reader beside the run sees it."""
    path = root / ".still/journal.sqlite"
    if not path.exists():
        return {}
    database = sqlite3.connect(path)
    try:
        return dict(database.execute("SELECT key, record FROM answers"))
    except sqlite3.OperationalError:
        # Killed before the tables were made.
        return {}
    finally:
        database.close()
