"""Where the student's errors come from, as page and card show it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from promptstill.answers.measures import ACCURACY, LABEL
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
MOST_LISTED = 30

# Cases by outcome, with their number as `n`.
Counts = Mapping[str, int]


@dataclass(frozen=True)
class Groups:
    """Counts by the name of a group, and how many further groups are not listed."""

    kind: str
    lines: list[tuple[str, Counts]]
    further: int = 0


@dataclass(frozen=True)
class Errors:
    """The student's errors on one set.

    `groups` are those by what is compared, by label, by slice and by length of the input. The truth of
    `by_teacher` cases is the teacher's own answer, and that of `by_person` cases is a person's.
    """

    n: int
    wrong: int
    counts: Counts
    groups: list[Groups]
    by_teacher: int
    by_person: int


def errors(scored: JsonObject, spec: AnswerSpec) -> Errors:
    """The errors on one set, from its part of `data/eval/<task>/metrics.json`."""
    outcomes, by_person = scored["outcomes"], scored["truth_by_person"]
    counts = _complete(outcomes["all"])
    compared = {f"{key} alone": outcomes["by_metric"][metric] for key, metric in _metrics(spec).items()}
    groups = [
        Groups("what is compared", _lines({"all": counts, **compared})),
        _most("label", outcomes["by_label"]),
        _most("slice", outcomes["by_slice"]),
        Groups("length of the input", _lines(outcomes["by_length"])),
    ]
    return Errors(
        counts["n"],
        _wrong(counts),
        counts,
        [group for group in groups if group.lines],
        counts["n"] - by_person,
        by_person,
    )


def _complete(counts: Counts) -> Counts:
    """Counts with those outcomes that have no case, which eval leaves out."""
    return {"n": counts["n"], **{name: counts.get(name, 0) for name in OUTCOMES}}


def _metrics(spec: AnswerSpec) -> dict[str, str]:
    """The metric of every scored key, if there are several."""
    if not spec.rules.scored:
        return {}
    label = {"label": LABEL} if spec.label_key is None else {spec.label_key: ACCURACY}
    return {**label, **spec.rules.scored}


def _lines(groups: Mapping[str, Counts]) -> list[tuple[str, Counts]]:
    return [(name, _complete(counts)) for name, counts in groups.items()]


def _most(kind: str, groups: Mapping[str, Counts]) -> Groups:
    """The groups with most of the student's errors first, without those in which both are always right."""
    lines = [(name, counts) for name, counts in _lines(groups) if counts["right"] < counts["n"]]
    lines.sort(key=lambda line: most_first((line[0], _wrong(line[1]))))
    return Groups(kind, lines[:MOST_LISTED], len(lines[MOST_LISTED:]))


def _wrong(counts: Counts) -> int:
    return sum(counts[name] for name in ERRORS)
