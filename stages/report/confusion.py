"""True labels against the student's labels, as counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from stages.report.build import Table

# A larger matrix is not readable.
MAX_LABELS = 30


@dataclass(frozen=True)
class Cell:
    """`share` is the part of the row's cases, from 0 to 1."""

    predicted: str
    count: int
    share: float


@dataclass(frozen=True)
class Line:
    """One line of the matrix."""

    actual: str
    cells: list[Cell]


@dataclass(frozen=True)
class Confusion:
    """The matrix by line and the mistakes `(actual, predicted, count)`, most frequent first.

    The matrix has no lines if there are more than `MAX_LABELS` labels.
    """

    predicted: list[str]
    lines: list[Line]
    mistakes: list[tuple[str, str, int]]


def confusion(table: Table) -> Confusion:
    """From the content of `confusion_<set>.csv`: one line per case with its true and its predicted label."""
    counts = Counter((line["actual"], line["predicted"]) for line in table)
    actual = sorted({pair[0] for pair in counts})
    # Labels that are never true, such as an invalid answer, come last.
    predicted = [*actual, *sorted({pair[1] for pair in counts} - set(actual))]
    mistakes = sorted(
        ((a, b, count) for (a, b), count in counts.items() if a != b), key=lambda m: (-m[2], m[0], m[1])
    )
    if len(predicted) > MAX_LABELS:
        return Confusion(predicted, [], mistakes)
    return Confusion(predicted, [_line(label, predicted, counts) for label in actual], mistakes)


def _line(actual: str, predicted: Iterable[str], counts: Counter[tuple[str, str]]) -> Line:
    row = {label: counts[actual, label] for label in predicted}
    whole = sum(row.values())
    return Line(actual, [Cell(label, count, count / whole) for label, count in row.items()])
