"""What eval shows, in one line: whether the student beats an opponent, and what it can answer alone."""

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


def cascade_line(cascade: Mapping[str, Any]) -> str:
    """What the student answers of test, and what that saves, or why there is no threshold.

    `cascade` is that part of `data/eval/<task>/metrics.json`.
    """
    agreement, threshold = cascade["teacher_agreement"], cascade["threshold"]
    if agreement is None:
        return "no threshold: no validation row has two samples, so the teacher's agreement is unknown"
    if threshold is None:
        return (
            "no threshold: at none is the student right as often as the teacher agrees with itself "
            f"({agreement['low']:.3f} of validation at least)"
        )
    test = cascade["at_threshold"]["test"]
    chosen = f"threshold {threshold:.4g}, chosen on validation"
    if not test["answered"]:
        return f"the student answers nothing of test ({chosen})"
    usd = test["usd_saved_per_thousand"]
    saved = f"{test['tokens_saved_per_thousand']:,} tokens" + ("" if usd is None else f" and {usd:.4g} USD")
    return (
        f"the student answers {100 * test['coverage']:.0f} % of test at {test['accuracy']:.3f}; the rest "
        f"goes to the teacher ({chosen}; saves {saved} a thousand requests)"
    )
