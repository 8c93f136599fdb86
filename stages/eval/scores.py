"""Answers and references in, metrics with intervals out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from scipy.stats import binomtest
from sklearn.metrics import f1_score, precision_recall_fscore_support

from promptstill.answers.compare import same
from promptstill.answers.spec import AnswerSpec
from promptstill.rows.row import Answer
from stages.eval.contestants import Answered, Contestant

INVALID = "(invalid)"
LABEL_COLUMNS = ("label", "precision", "recall", "f1", "cases")


@dataclass(frozen=True)
class Judged:
    """One case with the answer of a contestant, which is None if the parser found none."""

    truth: Answer
    answer: Answer | None
    slices: tuple[str, ...]


@dataclass(frozen=True)
class SliceScore:
    """Accuracy of the label on one slice, with its Wilson interval."""

    name: str
    cases: int
    accuracy: float
    low: float
    high: float


def judged(cases: Iterable[Answered], contestant: Contestant) -> list[Judged]:
    """The answers of one contestant."""
    return [
        Judged(entry.case["answer"], entry.answers[contestant], tuple(entry.case["slices"]))
        for entry in cases
    ]


def wilson(hits: int, count: int, level: float) -> tuple[float, float]:
    """Wilson score interval of a proportion (Wilson 1927); (0, 1) for no observation."""
    if not count:
        return 0.0, 1.0
    interval = binomtest(hits, count).proportion_ci(confidence_level=level, method="wilson")
    return round(float(interval.low), 4), round(float(interval.high), 4)


def scores(cases: Sequence[Judged], spec: AnswerSpec, level: float) -> dict[str, Any]:
    """Accuracy of the label with its interval, macro F1, share of valid answers, and accuracy of every other
    scored key.

    An invalid answer is wrong everywhere. `n` is the number of cases.
    """
    truth = [spec.label(case.truth) for case in cases]
    answers = [_label(case, spec) for case in cases]
    hits = sum(expected == label for expected, label in zip(truth, answers, strict=True))
    low, high = wilson(hits, len(cases), level)
    macro_f1 = f1_score(truth, answers, labels=sorted(set(truth)), average="macro", zero_division=0)
    metrics: dict[str, Any] = {
        "accuracy": _share(hits, len(cases)),
        "accuracy_low": low,
        "accuracy_high": high,
        "macro_f1": round(float(macro_f1), 4),
        "valid": _share(sum(case.answer is not None for case in cases), len(cases)),
    }
    for key, name in spec.rules.scored.items():
        right = sum(
            case.answer is not None and _value(case.answer, key) == _value(case.truth, key) for case in cases
        )
        low, high = wilson(right, len(cases), level)
        metrics |= {name: _share(right, len(cases)), f"{name}_low": low, f"{name}_high": high}
    return metrics | {"n": len(cases)}


def agreement(left: Sequence[Judged], right: Sequence[Judged], spec: AnswerSpec) -> float:
    """The share of cases to which two contestants give the same answer."""
    agreed = sum(same(a.answer, b.answer, spec) for a, b in zip(left, right, strict=True))
    return _share(agreed, len(left))


def label_table(cases: Sequence[Judged], spec: AnswerSpec) -> list[tuple[object, ...]]:
    """Rows of `LABEL_COLUMNS` for every label of the truth."""
    truth, answers = [spec.label(case.truth) for case in cases], [_label(case, spec) for case in cases]
    labels = sorted(set(truth))
    columns = precision_recall_fscore_support(truth, answers, labels=labels, zero_division=0)
    precision, recall, f1, support = ([round(float(value), 4) for value in column] for column in columns)
    return [
        (label, p, r, f, int(n))
        for label, p, r, f, n in zip(labels, precision, recall, f1, support, strict=True)
    ]


def confusion(cases: Sequence[Judged], spec: AnswerSpec) -> list[tuple[str, str]]:
    """The true label and the label of the answer, for every case."""
    return [(spec.label(case.truth), _label(case, spec)) for case in cases]


def slice_table(cases: Sequence[Judged], spec: AnswerSpec, level: float) -> list[SliceScore]:
    """Accuracy of the label for `all` and for every slice that has cases."""
    names = {name for case in cases for name in case.slices}
    table = []
    for name in ["all", *sorted(names)]:
        part = [case for case in cases if name == "all" or name in case.slices]
        hits = sum(spec.label(case.truth) == _label(case, spec) for case in part)
        table.append(SliceScore(name, len(part), _share(hits, len(part)), *wilson(hits, len(part), level)))
    return table


def slice_columns(contestants: Iterable[str]) -> tuple[str, ...]:
    """The columns of `slice_rows`."""
    return ("slice", "cases", *(f"{who}{part}" for who in contestants for part in ("", "_low", "_high")))


def slice_rows(contestants: Sequence[Sequence[Judged]], spec: AnswerSpec, level: float) -> list[list[object]]:
    """One row per slice, with the accuracy and the interval of every contestant."""
    tables = [slice_table(cases, spec, level) for cases in contestants]
    return [
        [
            row[0].name,
            row[0].cases,
            *(value for score in row for value in (score.accuracy, score.low, score.high)),
        ]
        for row in zip(*tables, strict=True)
    ]


def _label(case: Judged, spec: AnswerSpec) -> str:
    """The label of a contestant's answer, or `(invalid)`."""
    return INVALID if case.answer is None else spec.label(case.answer)


def _value(answer: Answer, key: str) -> object:
    return answer.get(key) if isinstance(answer, dict) else None


def _share(part: int, whole: int) -> float:
    return round(part / whole, 4) if whole else 0.0
