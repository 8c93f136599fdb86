"""The student answers what it is sure of, and the teacher the rest: cases in, accuracy and savings out.

Chow (1970), "On optimum recognition error and reject tradeoff", describes answering above a threshold of
confidence only. The threshold is chosen on the validation rows, and golden and test show what it is worth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from stages.eval.intervals import interval

# Rows of a set in the table, which is as many as a picture can show.
MOST_POINTS = 100
REQUESTS = 1_000


@dataclass(frozen=True)
class Case:
    """A request that student or teacher may answer.

    `confidence` is the student's, or None if the student gave no valid answer; such a case is sent to the
    teacher at every threshold. `right` and `teacher_right` compare all scored keys with the truth.
    `teacher_right` and `teacher_tokens` are about a single request to the teacher; the tokens are those of
    its prompt, input and answer. Cases of one `component` depend on each other.
    """

    confidence: float | None
    right: bool
    teacher_right: bool
    component: str
    teacher_tokens: int

    def answered(self, threshold: float) -> bool:
        """Whether the student answers: its confidence is at least the threshold."""
        return self.confidence is not None and self.confidence >= threshold


@dataclass(frozen=True)
class Point:
    """What one threshold gives: the share of cases that the student answers, the accuracy of these answers
    with its interval, and that of all answers when the teacher gives the rest."""

    coverage: float
    threshold: float
    accuracy: float
    low: float
    high: float
    overall: float


CASCADE_COLUMNS = ("set", *(field.name for field in fields(Point)))


def curve(cases: Sequence[Case], level: float) -> list[Point]:
    """Points of rising coverage, one for each distinct confidence, of which at most `MOST_POINTS` are kept.

    Cases of equal confidence are answered or sent together. The first and the last point are always kept.
    """
    thresholds = sorted({case.confidence for case in cases if case.confidence is not None}, reverse=True)
    if len(thresholds) > MOST_POINTS:
        kept = np.linspace(0, len(thresholds) - 1, MOST_POINTS).round().astype(int).tolist()
        thresholds = [thresholds[i] for i in kept]
    return [_point(cases, threshold, level) for threshold in thresholds]


def choose(cases: Sequence[Case], least: float) -> float | None:
    """The lowest confidence at which the accuracy of the answered cases is at least `least`; None if there is
    no such confidence."""
    answers = [(case.confidence, case.right) for case in cases if case.confidence is not None]
    answers.sort(reverse=True)
    confidences = np.array([confidence for confidence, _ in answers])
    right = np.cumsum([hit for _, hit in answers])
    # The last of each run of equal confidences: where all of them are answered.
    ends = np.flatnonzero(np.diff(confidences, append=-np.inf))
    reaching = confidences[ends][right[ends] / (ends + 1) >= least]
    return float(reaching.min()) if len(reaching) else None


def agreement_with_itself(
    agrees: Sequence[bool], components: Sequence[str], level: float
) -> dict[str, Any] | None:
    """The share of rows about which all samples of the teacher are the same, as `share`, with its interval
    and the number of rows; None if no row has several samples."""
    if not agrees:
        return None
    low, high = interval(agrees, components, level)
    return {"share": round(_share(agrees), 4), "low": low, "high": high, "n": len(agrees)}


def price(cases: Sequence[Case], usd_per_request: float | None) -> dict[str, Any]:
    """What a thousand requests like the cases cost if the teacher answers all of them: its tokens, and USD,
    which are null if that is not known."""
    return {
        "tokens": round(REQUESTS * sum(case.teacher_tokens for case in cases) / len(cases)),
        "usd": None if usd_per_request is None else round(REQUESTS * usd_per_request, 6),
    }


def at_threshold(
    cases: Sequence[Case], threshold: float, level: float, usd_per_request: float | None
) -> dict[str, Any]:
    """What the threshold gives on a set, and what it saves in a thousand requests.

    `accuracy` and its interval are null if the student answers no case. Tokens are those that the teacher
    would have used for the answered cases. USD are what as many requests to the teacher cost, and null if
    that is not known.
    """
    answered = [case for case in cases if case.answered(threshold)]
    coverage = len(answered) / len(cases)
    point = _point(cases, threshold, level) if answered else None
    return {
        "n": len(cases),
        "answered": len(answered),
        "coverage": round(coverage, 4),
        "accuracy": point and point.accuracy,
        "low": point and point.low,
        "high": point and point.high,
        "overall": _overall(cases, threshold),
        "tokens_saved_per_thousand": round(
            REQUESTS * sum(case.teacher_tokens for case in answered) / len(cases)
        ),
        "usd_saved_per_thousand": None
        if usd_per_request is None
        else round(REQUESTS * coverage * usd_per_request, 6),
    }


def _point(cases: Sequence[Case], threshold: float, level: float) -> Point:
    answered = [case for case in cases if case.answered(threshold)]
    right = [case.right for case in answered]
    low, high = interval(right, [case.component for case in answered], level)
    return Point(
        round(len(answered) / len(cases), 4),
        threshold,
        round(_share(right), 4),
        low,
        high,
        _overall(cases, threshold),
    )


def _overall(cases: Sequence[Case], threshold: float) -> float:
    right = [case.right if case.answered(threshold) else case.teacher_right for case in cases]
    return round(_share(right), 4)


def _share(right: Sequence[bool]) -> float:
    return sum(right) / len(right)
