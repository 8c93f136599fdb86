"""Answers and references in, metrics with intervals out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from scipy.stats import binomtest
from sklearn.metrics import f1_score, precision_recall_fscore_support

from stages.shared.answers import Answer, AnswerSpec

INVALID = "(invalid)"


@dataclass(frozen=True)
class Judged:
    """One case with what a contestant said about it; `said` is None where the parser found no answer."""

    case_id: str
    truth: Answer
    said: Answer | None
    slices: tuple[str, ...]


@dataclass(frozen=True)
class SliceScore:
    """Accuracy of the label on one slice, with its Wilson interval."""

    name: str
    cases: int
    accuracy: float
    low: float
    high: float


def wilson(hits: int, count: int, level: float) -> tuple[float, float]:
    """Wilson score interval of a proportion (Wilson 1927); (0, 1) for no observation."""
    if not count:
        return 0.0, 1.0
    interval = binomtest(hits, count).proportion_ci(confidence_level=level, method="wilson")
    return round(float(interval.low), 4), round(float(interval.high), 4)


def said_label(one: Judged, spec: AnswerSpec) -> str:
    """The label that a contestant chose, or `(invalid)`."""
    return INVALID if one.said is None else spec.label(one.said)


def summary(cases: list[Judged], spec: AnswerSpec, level: float) -> dict[str, Any]:
    """Accuracy of the label with its interval, macro F1, share of valid answers, accuracy of each other
    scored key.

    An invalid answer is wrong everywhere. `n` is the number of cases.
    """
    truth = [spec.label(one.truth) for one in cases]
    said = [said_label(one, spec) for one in cases]
    hits = sum(t == s for t, s in zip(truth, said, strict=True))
    low, high = wilson(hits, len(cases), level)
    found: dict[str, Any] = {
        "accuracy": _share(hits, len(cases)),
        "accuracy_low": low,
        "accuracy_high": high,
        "macro_f1": round(
            float(f1_score(truth, said, labels=sorted(set(truth)), average="macro", zero_division=0)), 4
        ),
        "valid": _share(sum(one.said is not None for one in cases), len(cases)),
    }
    for key, name in spec.rules.scored.items():
        right = sum(_value(one.said, key) == _value(one.truth, key) for one in cases if one.said is not None)
        low, high = wilson(right, len(cases), level)
        found |= {name: _share(right, len(cases)), f"{name}_low": low, f"{name}_high": high}
    return found | {"n": len(cases)}


def agreement(left: list[Judged], right: list[Judged], spec: AnswerSpec) -> float:
    """Share of cases about which two contestants say the same label and scored keys; invalid answers never
    agree."""
    same = sum(
        a.said is not None and b.said is not None and spec.essence(a.said) == spec.essence(b.said)
        for a, b in zip(left, right, strict=True)
    )
    return _share(same, len(left))


def label_table(cases: list[Judged], spec: AnswerSpec) -> list[tuple[object, ...]]:
    """Rows of (label, precision, recall, F1, cases) for every label of the truth."""
    truth, said = [spec.label(one.truth) for one in cases], [said_label(one, spec) for one in cases]
    labels = sorted(set(truth))
    columns = precision_recall_fscore_support(truth, said, labels=labels, zero_division=0)
    precision, recall, f1, support = ([round(float(value), 4) for value in column] for column in columns)
    return [
        (label, p, r, f, int(n))
        for label, p, r, f, n in zip(labels, precision, recall, f1, support, strict=True)
    ]


def slice_table(cases: list[Judged], spec: AnswerSpec, level: float) -> list[SliceScore]:
    """Accuracy of the label for `all` and for every slice that has cases."""
    names = {name for one in cases for name in one.slices}
    found = []
    for name in ["all", *sorted(names)]:
        part = [one for one in cases if name == "all" or name in one.slices]
        hits = sum(spec.label(one.truth) == said_label(one, spec) for one in part)
        found.append(SliceScore(name, len(part), _share(hits, len(part)), *wilson(hits, len(part), level)))
    return found


def _value(answer: Answer | None, key: str) -> Any:  # noqa: ANN401
    return answer.get(key) if isinstance(answer, dict) else None


def _share(part: int, whole: int) -> float:
    return round(part / whole, 4) if whole else 0.0
