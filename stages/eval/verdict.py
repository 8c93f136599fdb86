"""What eval shows, each in one line: whether the student beats an opponent, what it can answer alone, and how
much requests to teacher and student cost."""

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
        return (
            "no threshold: no validation row has two samples, so it is not known how often the teacher "
            "agrees with itself"
        )
    if threshold is None:
        return (
            f"no threshold: at no confidence are {agreement['low']:.3f} of the student's answers to "
            "validation right, which is the lower bound of how often the teacher agrees with itself"
        )
    test = cascade["at_threshold"]["test"]
    chosen = f"confidence of {threshold:.4f} or more, chosen on validation"
    if not test["answered"]:
        return f"the student answers nothing of test ({chosen})"
    saved = priced(test["tokens_saved_per_thousand"], test["usd_saved_per_thousand"])
    return (
        f"the student answers {100 * test['coverage']:.0f} % of test with accuracy {test['accuracy']:.3f} "
        f"({chosen}); with the teacher's answers to the rest, the accuracy is {test['overall']:.3f}, and a "
        f"thousand requests save {saved}"
    )


def price_line(cascade: Mapping[str, Any], speed: Mapping[str, float]) -> str:
    """What a thousand requests like those of test cost the teacher, and the student on this machine.

    `cascade` is that part of `data/eval/<task>/metrics.json`, and `speed` the content of `speed/<task>.json`.
    """
    teacher = cascade["teacher_per_thousand"]["test"]
    return (
        f"a thousand requests cost the teacher {priced(teacher['tokens'], teacher['usd'])}, and the student "
        f"{speed['seconds_per_thousand']:,.0f} s here ({speed['rows_per_second']} rows/s)"
    )


def latency_line(speed: Mapping[str, float]) -> str:
    """The student's latency on this machine, from the content of `speed/<task>.json`."""
    shown = [
        f"{speed[f'{name}_p50_ms']:.0f} and {speed[f'{name}_p99_ms']:.0f} ms for "
        f"{speed[f'{name}_requests']} requests {how}"
        for name, how in (("single", "one at a time"), ("batched", "in batches"))
    ]
    return f"p50 and p99 of the latency here: {'; '.join(shown)}"


def priced(tokens: int, usd: float | None) -> str:
    """Tokens with their price, if that is known."""
    return f"{tokens:,} tokens" + ("" if usd is None else f" and {usd:,.4f} USD")
