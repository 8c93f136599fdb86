"""How far the student's confidence can be trusted: confidences and right answers in, calibration out.

A confidence is calibrated if, of all answers that have it, that share is right. Bins have about equally many
answers (Nixon et al. 2019, "Measuring Calibration in Deep Learning"), because most confidences are near 1,
and bins of equal width would be almost empty elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from stages.eval.intervals import interval

# As in Naeini et al. 2015, where bins have equal width. Fewer where many confidences are equal.
BINS = 10
RELIABILITY_COLUMNS = ("confidence", "accuracy", "low", "high", "count")


@dataclass(frozen=True)
class Bin:
    """Answers of similar confidence: their mean confidence, the share of right ones with its interval, and
    their number."""

    confidence: float
    accuracy: float
    low: float
    high: float
    count: int


def reliability(
    confidences: Sequence[float], right: Sequence[bool], components: Sequence[str], level: float
) -> list[Bin]:
    """The bins in the order of their confidence, of all answers of a set; none without an answer.

    Equal confidences are in one bin, so the order of the answers does not matter.
    """
    if not confidences:
        return []
    values = np.array(confidences, dtype=float)
    edges = np.quantile(values, np.arange(1, BINS) / BINS)
    of_answer = np.searchsorted(edges, values)
    bins = []
    for number in np.unique(of_answer):
        members = np.flatnonzero(of_answer == number).tolist()
        hits = [right[i] for i in members]
        low, high = interval(hits, [components[i] for i in members], level)
        mean = float(values[members].mean())
        bins.append(Bin(round(mean, 4), round(sum(hits) / len(hits), 4), low, high, len(hits)))
    return bins


def calibration(
    confidences: Sequence[float], right: Sequence[bool], components: Sequence[str], level: float
) -> dict[str, Any]:
    """`ece`, `brier` and `bins` of a set; null without an answer.

    `ece` is the expected calibration error (Naeini et al. 2015): the mean distance between confidence and
    accuracy over the bins, weighted by their answers. It is never below 0, so that of few answers is too
    large. `brier` is the mean squared distance between a confidence and 1 or 0 (Brier 1950); it also rewards
    confidences that separate right answers from wrong ones. Both are best at 0.
    """
    bins = reliability(confidences, right, components, level)
    if not bins:
        return {"ece": None, "brier": None, "bins": []}
    distance = sum(entry.count * abs(entry.confidence - entry.accuracy) for entry in bins)
    squares = np.square(np.subtract(confidences, right, dtype=float))
    return {
        "ece": round(distance / len(confidences), 4),
        "brier": round(float(squares.mean()), 4),
        "bins": [asdict(entry) for entry in bins],
    }
