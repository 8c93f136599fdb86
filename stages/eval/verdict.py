"""Whether the student is better than an opponent, in one word and in one line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

Verdict = Literal["better", "worse", "not distinguishable"]


def verdict(low: float, high: float) -> Verdict:
    """What the interval of the student's lead over an opponent shows: nothing if it contains 0."""
    if low > 0:
        return "better"
    return "worse" if high < 0 else "not distinguishable"


def against_baseline(scored: Mapping[str, Any]) -> str:
    """The student and the better baseline on a set, by the accuracy of the label.

    `scored` is the set's part of `data/eval/<task>/metrics.json`.
    """
    baseline, student = scored["better_baseline"], scored["student"]
    lead = scored["student_minus"][baseline]["accuracy"]
    cases = f"on {student['n']} rows in {student['components']} components"
    if lead["verdict"] == "not distinguishable":
        return f"not distinguishable from {baseline} {cases}"
    least, most = sorted((abs(lead["low"]), abs(lead["high"])))
    by = f"{abs(lead['difference']):.3f} ({least:.3f} to {most:.3f})"
    return f"{lead['verdict']} than {baseline} by {by} {cases}"
