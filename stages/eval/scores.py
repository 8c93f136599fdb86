"""Answers and references in, metrics with intervals out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sklearn.metrics import f1_score, precision_recall_fscore_support

from promptstill.answers.classes import INVALID, OTHER_TEXT, class_pair
from promptstill.answers.measures import ACCURACY, measured, measures
from promptstill.answers.rates import Rate, rates
from promptstill.answers.schema.compare import same
from promptstill.answers.schema.form import ANY_TEXT
from promptstill.answers.spec import AnswerSpec
from promptstill.rows.row import Answer
from stages.eval.contestants import Answered, Contestant
from stages.eval.intervals import difference, interval
from stages.eval.verdict import verdict

LABEL_COLUMNS = (
    "label",
    *(f"{share}{bound}" for share in ("precision", "recall") for bound in ("", "_low", "_high")),
    "f1",
    "cases",
)
SLICE_COLUMNS = ("slice", "cases", "slice_and_cases", "who", "accuracy", "low", "high")


@dataclass(frozen=True)
class Judged:
    """A case with the answer of a contestant, which is None if it gave no valid one.

    Cases of one `component` depend on each other; a golden case is a component of its own.
    """

    input: str
    truth: Answer
    answer: Answer | None
    slices: tuple[str, ...]
    component: str


@dataclass(frozen=True)
class SliceScore:
    """Accuracy on one slice, with its interval."""

    name: str
    cases: int
    accuracy: float
    low: float
    high: float


def judged(cases: Iterable[Answered], contestant: Contestant) -> list[Judged]:
    """The answers of one contestant."""
    return [
        Judged(
            entry.case["input"],
            entry.case["answer"],
            entry.answers[contestant],
            tuple(entry.case["slices"]),
            entry.component,
        )
        for entry in cases
    ]


def scores(cases: Sequence[Judged], spec: AnswerSpec, level: float) -> dict[str, Any]:
    """Macro F1 of the labels, share of valid answers, and every measure and rate with its interval.

    An invalid answer is wrong everywhere. A rate that no case is about is null, with null as its interval.
    `n` is the number of cases, `components` of how many components they are.
    """
    truth, answers = zip(*(_classes(case, spec) for case in cases), strict=True)
    components = [case.component for case in cases]
    macro_f1 = f1_score(truth, answers, labels=sorted(set(truth)), average="macro", zero_division=0)
    metrics: dict[str, Any] = {
        "macro_f1": round(float(macro_f1), 4),
        "valid": _share(sum(case.answer is not None for case in cases), len(cases)),
    }
    for name, measure in measures(spec).items():
        values = [measured(case.answer, case.truth, measure) for case in cases]
        low, high = interval(values, components, level)
        metrics |= {name: _share(sum(values), len(cases)), f"{name}_low": low, f"{name}_high": high}
    for name, rate in rates(spec).items():
        share = _rated(cases, rate, level)
        metrics |= dict(zip((name, f"{name}_low", f"{name}_high"), share or (None,) * 3, strict=True))
    return metrics | {"n": len(cases), "components": len(set(components))}


def gains(
    student: Sequence[Judged], other: Sequence[Judged], spec: AnswerSpec, level: float
) -> dict[str, dict[str, Any]]:
    """How much better the student is than another contestant on the same cases: the difference of every
    measure with its interval and the verdict."""
    components = [case.component for case in student]
    differences = {}
    for name, measure in measures(spec).items():
        ours, theirs = (
            [measured(case.answer, case.truth, measure) for case in cases] for cases in (student, other)
        )
        value, low, high = difference(ours, theirs, components, level)
        differences[name] = {"difference": value, "low": low, "high": high, "verdict": verdict(low, high)}
    return differences


def agreement(left: Sequence[Judged], right: Sequence[Judged], spec: AnswerSpec) -> float:
    """The share of cases to which two contestants give the same answer."""
    agreed = sum(same(a.answer, b.answer, spec) for a, b in zip(left, right, strict=True))
    return _share(agreed, len(left))


def label_table(cases: Sequence[Judged], spec: AnswerSpec, level: float) -> list[tuple[object, ...]]:
    """Rows of `LABEL_COLUMNS` for every label of the truth. If no answer has a label, its precision is 0."""
    pairs = confusion(cases, spec)
    truth, answers = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    labels = sorted(set(truth))
    columns = precision_recall_fscore_support(truth, answers, labels=labels, zero_division=0)
    precision, recall, f1, support = ([round(float(value), 4) for value in column] for column in columns)

    def bounds(label: str, among: Sequence[str]) -> tuple[float, float]:
        """The interval of the share of right answers among the cases that have the label."""
        part = [i for i, name in enumerate(among) if name == label]
        hits = [truth[i] == answers[i] for i in part]
        return interval(hits, [cases[i].component for i in part], level)

    return [
        (label, p, *bounds(label, answers), r, *bounds(label, truth), f, int(n))
        for label, p, r, f, n in zip(labels, precision, recall, f1, support, strict=True)
    ]


def confusion(cases: Sequence[Judged], spec: AnswerSpec) -> list[tuple[str, str]]:
    """The true label and the label of the answer, for every case. Texts that are no classes are not shown."""
    return [class_pair(*_classes(case, spec), spec) for case in cases]


def slice_table(cases: Sequence[Judged], spec: AnswerSpec, level: float) -> list[SliceScore]:
    """Accuracy for `all` and for every slice that has cases."""
    names = {name for case in cases for name in case.slices}
    accuracy = measures(spec)[ACCURACY]
    table = []
    for name in ["all", *sorted(names)]:
        part = [case for case in cases if name == "all" or name in case.slices]
        right = [measured(case.answer, case.truth, accuracy) for case in part]
        bounds = interval(right, [case.component for case in part], level)
        table.append(SliceScore(name, len(part), _share(sum(right), len(part)), *bounds))
    return table


def slice_rows(
    contestants: Mapping[Contestant, Sequence[Judged]], spec: AnswerSpec, level: float
) -> list[tuple[object, ...]]:
    """Rows of `SLICE_COLUMNS`, one per slice and contestant; slices in alphabetical order after `all`."""
    tables = {who: slice_table(cases, spec, level) for who, cases in contestants.items()}
    return [
        (score.name, score.cases, f"{score.name} ({score.cases})", who, score.accuracy, score.low, score.high)
        for scores_of_slice in zip(*tables.values(), strict=True)
        for who, score in zip(tables, scores_of_slice, strict=True)
    ]


def _rated(cases: Sequence[Judged], rate: Rate, level: float) -> tuple[float, float, float] | None:
    """A rate with its interval, over the cases that it is about; None if there are none."""
    hits = [rate(case.input, case.answer, case.truth) for case in cases]
    part = [(hit, case.component) for hit, case in zip(hits, cases, strict=True) if hit is not None]
    if not part:
        return None
    bounds = interval([hit for hit, _ in part], [component for _, component in part], level)
    return _share(sum(hit for hit, _ in part), len(part)), *bounds


def _classes(case: Judged, spec: AnswerSpec) -> tuple[str, str]:
    """The true label and that of a contestant's answer, which may be `(invalid)`. Texts without a label are
    right or `(another text)`."""
    truth = spec.label(case.truth)
    if case.answer is None:
        return truth, INVALID
    if truth == ANY_TEXT and spec.rules.label is None:
        return truth, truth if same(case.answer, case.truth, spec) else OTHER_TEXT
    return truth, spec.label(case.answer)


def _share(part: float, whole: int) -> float:
    return round(part / whole, 4) if whole else 0.0
