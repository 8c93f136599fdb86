"""Where the boundary between labels is soft: pairs of labels between which the samples of a row waver."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import combinations
from typing import Any

from promptstill.answers.consensus import reader
from promptstill.answers.spec import AnswerSpec
from promptstill.rows.row import ValidatedRow

# Rows that are named for each pair.
EXAMPLES = 5
COLUMNS = ("label", "other", "rows")


class Boundaries:
    """Rows by the pairs of labels that their samples have, one row at a time."""

    def __init__(self, spec: AnswerSpec) -> None:
        self._spec, self._read = spec, reader(spec)
        self._rows: dict[tuple[str, str], list[str]] = defaultdict(list)
        self._slices: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)

    def add(self, row: ValidatedRow) -> None:
        """Count a row."""
        if not row["dissent"]:
            return
        answers = [
            self._read(sample["response"], sample["finish_reason"]).answer for sample in row["samples"]
        ]
        labels = sorted({self._spec.label(answer) for answer in answers if answer is not None})
        for pair in combinations(labels, 2):
            self._rows[pair].append(row["id"])
            self._slices[pair].update(row["slices"])

    def table(self) -> list[dict[str, Any]]:
        """The pairs, the most frequent first: rows, rows by slice, and the ids of some."""
        return [
            {
                "labels": list(pair),
                "rows": len(ids),
                "slices": dict(sorted(self._slices[pair].items())),
                "examples": sorted(ids)[:EXAMPLES],
            }
            for pair, ids in sorted(self._rows.items(), key=lambda item: (-len(item[1]), item[0]))
        ]

    def plot(self) -> Iterator[tuple[str, str, int]]:
        """The cells of a heat map: both directions of each pair. A build without any has one empty cell,
        because DVC draws no table without lines."""
        for (label, other), ids in sorted(self._rows.items()):
            yield label, other, len(ids)
            yield other, label, len(ids)
        if not self._rows:
            yield "none", "none", 0
