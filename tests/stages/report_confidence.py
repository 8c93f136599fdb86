"""What a small build says about the student's confidence, written by hand."""

from __future__ import annotations

from typing import Any

ANSWERED_SETS = ("validation", "golden", "test")


def calibration() -> dict[str, Any]:
    """The calibration of a set in two bins."""
    bins = [
        {"confidence": 0.25, "accuracy": 0.5, "low": 0.125, "high": 0.75, "count": 2},
        {"confidence": 0.9, "accuracy": 1.0, "low": 0.5, "high": 1.0, "count": 1},
    ]
    return {"ece": 0.2, "brier": 0.0625, "bins": bins}


def cascade() -> dict[str, Any]:
    """A threshold, and what it gives on every set."""
    result = {"n": 3, "answered": 2, "coverage": 0.6667, "accuracy": 0.5, "low": 0.125, "high": 0.875}
    saved = {"overall": 0.75, "tokens_saved_per_thousand": 345678, "usd_saved_per_thousand": 1.25}
    return {
        "teacher_per_thousand": {name: {"tokens": 612345, "usd": 1234.5} for name in ANSWERED_SETS},
        "teacher_agreement": {"share": 0.75, "low": 0.4375, "high": 0.9, "n": 1},
        "threshold": 0.625,
        "at_threshold": {name: result | saved for name in ANSWERED_SETS},
    }


def curve() -> list[tuple[object, ...]]:
    """Rows of `cascade.csv`: two points for each set."""
    points = [(0.3333, 0.9, 1.0, 0.25, 1.0, 1.0), (1.0, 0.5, 0.5, 0.125, 0.875, 0.5)]
    return [(name, *point) for name in ANSWERED_SETS for point in points]
