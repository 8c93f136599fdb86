"""Where the student's errors come from: student, teacher and truth of each case in, counts by outcome out."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

import numpy as np

from promptstill.answers.classes import class_name
from promptstill.answers.measures import Measure, measured, measures, shares
from promptstill.answers.prediction import OUTCOMES, Outcome
from promptstill.answers.schema.compare import same
from promptstill.answers.spec import AnswerSpec
from promptstill.rows.row import Answer
from stages.eval.contestants import Answered

# The name of a label or slice, or the bounds of a length.
Group = TypeVar("Group", str, tuple[int, int])


def outcome(case: Answered, spec: AnswerSpec, measure: Measure | None = None) -> Outcome:
    """The outcome of a case by all scored keys, or by what one measure compares."""
    student, teacher, truth = case.answers["student"], case.answers["teacher"], case.case["answer"]

    def equal(left: Answer | None, right: Answer | None) -> bool:
        return same(left, right, spec) if measure is None else measured(left, right, measure) == 1

    if equal(student, truth):
        return "right" if equal(teacher, truth) else "corrected"
    if equal(teacher, truth):
        return "own"
    return "inherited" if equal(student, teacher) else "both_wrong"


def outcome_counts(cases: Sequence[Answered], spec: AnswerSpec) -> dict[str, Any]:
    """The cases of a set by outcome: all of them, by each metric, and by true label, slice and length.

    Labels, slices and lengths count the outcomes by all scored keys. Every entry has the number of its cases
    as `n`, and no outcome without a case. Lengths are those of the inputs in characters, in quarters of the
    set.
    """
    outcomes = [outcome(case, spec) for case in cases]
    labels = [[class_name(spec.label(case.case["answer"]), spec)] for case in cases]
    lengths = _by([[bounds] for bounds in quarters([len(case.case["input"]) for case in cases])], outcomes)
    of = measures(spec)
    return {
        "all": _counts(outcomes),
        "by_metric": {
            name: _counts([outcome(case, spec, of[name]) for case in cases]) for name in shares(spec)
        },
        "by_label": _by(labels, outcomes),
        "by_slice": _by([case.case["slices"] for case in cases], outcomes),
        "by_length": {f"{low} to {high} characters": counts for (low, high), counts in lengths.items()},
    }


def quarters(lengths: Sequence[int]) -> list[tuple[int, int]]:
    """For each length, the shortest and the longest one of its quarter.

    Equal lengths are in one quarter, so there may be fewer than four.
    """
    quarter = np.searchsorted(np.quantile(lengths, (0.25, 0.5, 0.75)), lengths).tolist()
    members: dict[int, list[int]] = defaultdict(list)
    for number, length in zip(quarter, lengths, strict=True):
        members[number].append(length)
    return [(min(members[number]), max(members[number])) for number in quarter]


def _by(groups: Sequence[Iterable[Group]], outcomes: Sequence[Outcome]) -> dict[Group, dict[str, int]]:
    """Counts by group, in the order of the groups. Each case has the groups that it is in."""
    members: dict[Group, list[Outcome]] = defaultdict(list)
    for of_case, result in zip(groups, outcomes, strict=True):
        for group in of_case:
            members[group].append(result)
    return {group: _counts(members[group]) for group in sorted(members)}


def _counts(outcomes: Sequence[Outcome]) -> dict[str, int]:
    counts = Counter(outcomes)
    return {"n": len(outcomes), **{name: counts[name] for name in OUTCOMES if counts[name]}}
