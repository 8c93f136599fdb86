"""Where the student's errors come from, as page and card show it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from promptstill.answers.prediction import ERRORS, Outcome
from promptstill.answers.spec import AnswerSpec
from promptstill.core.files import JsonObject
from stages.report.labels import most_first

# What each outcome means, in the order of the columns.
OUTCOMES: dict[Outcome, str] = {
    "right": "student and teacher are right",
    "corrected": "the student is right, and the teacher is wrong",
    "own": "the student is wrong, and the teacher is right",
    "inherited": "the student gives the teacher's wrong answer",
    "both_wrong": "both are wrong, with different answers or with none",
}
# Labels and slices that are listed.
MOST_LISTED = 8

# Cases by outcome, with their number as `n`.
Counts = Mapping[str, int]


@dataclass(frozen=True)
class Errors:
    """The student's errors on one set.

    `lines` are counts by name: by what is compared, and by length of the input. `labels` and `slices` are
    `(name, own errors, cases)` with most of the student's own errors first, and have no entry without one.
    The truth of `by_teacher` cases is the teacher's own answer, and that of `by_person` cases is a person's.
    """

    n: int
    wrong: int
    counts: Counts
    lines: list[tuple[str, Counts]]
    labels: list[tuple[str, int, int]]
    slices: list[tuple[str, int, int]]
    by_teacher: int
    by_person: int


def errors(scored: JsonObject, spec: AnswerSpec) -> Errors:
    """The errors on one set, from its part of `data/eval/<task>/metrics.json`."""
    outcomes, by_person = scored["outcomes"], scored["truth_by_person"]
    counts = _complete(outcomes["all"])
    lines = {
        "all": counts,
        **{f"{key} alone": outcomes["by_metric"][metric] for key, metric in _metrics(spec).items()},
        **outcomes["by_length"],
    }
    return Errors(
        counts["n"],
        sum(counts[name] for name in ERRORS),
        counts,
        [(name, _complete(line)) for name, line in lines.items()],
        _most(outcomes["by_label"]),
        _most(outcomes["by_slice"]),
        counts["n"] - by_person,
        by_person,
    )


def _complete(counts: Counts) -> Counts:
    """Counts with those outcomes that have no case, which eval leaves out."""
    return {"n": counts["n"], **{name: counts.get(name, 0) for name in OUTCOMES}}


def _metrics(spec: AnswerSpec) -> dict[str, str]:
    """The metric of every scored key, if there are several."""
    if not spec.rules.scored or spec.rules.label is None:
        return {}
    return {spec.rules.label: "accuracy", **spec.rules.scored}


def _most(groups: Mapping[str, Counts]) -> list[tuple[str, int, int]]:
    own = [(name, counts["own"]) for name, counts in groups.items() if "own" in counts]
    return [(name, count, groups[name]["n"]) for name, count in sorted(own, key=most_first)[:MOST_LISTED]]
