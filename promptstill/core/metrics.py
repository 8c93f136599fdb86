"""Counts for the metrics of every stage. No row leaves a stage uncounted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any


class RowsLostError(Exception):
    """A defect of a stage: rows left it without being counted, or were counted twice."""


def require_all_rows(rows_in: int, accounted: int) -> None:
    """Raise RowsLostError unless every row that came in is accounted for."""
    if accounted != rows_in:
        raise RowsLostError(f"{rows_in} rows came in, but {accounted} are accounted for")


def row_metrics(
    rows_in: int,
    kept: int,
    reasons: Iterable[str],
    review: int = 0,
    **more: Any,  # noqa: ANN401
) -> dict[str, Any]:
    """Counts for `data/<stage>/<task>/metrics.json`: `input`, `kept`, `rejected` and rows by `reasons`.

    `reasons` holds the first reason of every rejected row; `review` counts the rows that wait for a person.
    Raises RowsLostError if the parts do not add up: no stage may lose a row silently.
    """
    by_reason = dict(sorted(Counter(reasons).items()))
    rejected = sum(by_reason.values())
    require_all_rows(rows_in, kept + rejected + review)
    return {
        "input": rows_in,
        "kept": kept,
        "rejected": rejected,
        "review": review,
        "reasons": by_reason,
        **more,
    }
