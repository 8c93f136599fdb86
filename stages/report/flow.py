"""The flow of rows: how many came into each stage, how many it kept, and why the others left."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

from promptstill.core.files import JsonObject
from promptstill.core.metrics import require_all_rows
from stages.report.build import SPLITS

STAGES = {
    "ingest": "checks rows, redacts personal data, folds exact repeats",
    "generate": "asks the teacher",
    "validate": "parses and filters the answers, applies reviews",
    "dedupe": "removes near-duplicates: a row leaves for a better near row with its answer",
    "split": "takes out rows near a golden case, splits the others without leaks",
}


@dataclass(frozen=True)
class Step:
    """The rows of one stage. `dropped` and `waiting` are counts by reason; rows that are waiting are in the
    review queue."""

    stage: str
    does: str
    rows_in: int
    kept: int
    dropped: Mapping[str, int]
    waiting: Mapping[str, int]

    @property
    def dropped_rows(self) -> int:
        """Rows that left for good."""
        return sum(self.dropped.values())

    @property
    def waiting_rows(self) -> int:
        """Rows that wait for a person."""
        return sum(self.waiting.values())


def flow(metrics: Mapping[str, JsonObject]) -> list[Step]:
    """The steps in the order of the pipeline.

    Raises RowsLostError if a stage's rows do not add up, or if a stage got other rows than the one before it
    kept.
    """
    steps = [_step(stage, does, metrics[stage]) for stage, does in STAGES.items()]
    for earlier, later in pairwise(steps):
        require_all_rows(earlier.kept, later.rows_in)
    require_all_rows(steps[-1].kept, sum(metrics["split"][name] for name in SPLITS))
    return steps


def _step(stage: str, does: str, counts: JsonObject) -> Step:
    waiting = counts["review_reasons"] if counts["review"] else {}
    step = Step(stage, does, counts["input"], counts["kept"], counts["reasons"], waiting)
    require_all_rows(step.rows_in, step.kept + step.dropped_rows + step.waiting_rows)
    return step
