"""What is measured of an answer against another: the label, and every scored key by its own comparison."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from promptstill.answers.schema.compare import same, same_value, value_likeness
from promptstill.answers.schema.form import AnswerForm
from promptstill.answers.schema.rules import ACCURACY, GRADED, DerivedLabel
from promptstill.rows.row import Answer

__all__ = ["ACCURACY", "Measure", "measured", "measures", "shares"]

# The measure of a derived label.
LABEL = "label_accuracy"

# From 0 to 1; a share of 1 is the same.
Measure = Callable[[Answer, Answer], float]


def measures(spec: AnswerForm) -> dict[str, Measure]:
    """The measures of a task by name, accuracy first.

    Accuracy is that of the label. A derived label says little of an answer, and a free text has none, so
    accuracy is then the share of answers that are the same as a whole. A scored key has the share of cases in
    which its value is the same. One that is compared as a set or a text has an F1 too: that of the items, or
    that of the tokens.
    """
    named: dict[str, Measure] = {ACCURACY: partial(_same_label, spec=spec)}
    if isinstance(spec.rules.label, DerivedLabel):
        named = {ACCURACY: partial(_same, spec=spec), LABEL: partial(_same_label, spec=spec)}
    elif spec.rules.format == "text":
        named = {ACCURACY: partial(_same, spec=spec)}
    if spec.rules.format == "text" and spec.rules.value.compare in GRADED:
        named["text_f1"] = partial(value_likeness, key="", spec=spec)
    for key, name in spec.rules.scored.items():
        named[name] = partial(_same_value, key=key, spec=spec)
        if spec.rules_of(key).compare in GRADED:
            named[f"{name}_f1"] = partial(value_likeness, key=key, spec=spec)
    return named


def shares(spec: AnswerForm) -> tuple[str, ...]:
    """The measures for which an answer is either right or wrong."""
    label = (LABEL,) if isinstance(spec.rules.label, DerivedLabel) else ()
    return (ACCURACY, *label, *spec.rules.scored.values())


def measured(left: Answer | None, right: Answer | None, measure: Measure) -> float:
    """What a measure says of two answers. A missing answer is nothing like any other."""
    return 0.0 if left is None or right is None else measure(left, right)


def _same(left: Answer, right: Answer, spec: AnswerForm) -> float:
    return float(same(left, right, spec))


def _same_label(left: Answer, right: Answer, spec: AnswerForm) -> float:
    return float(spec.label(left) == spec.label(right))


def _same_value(left: Answer, right: Answer, key: str, spec: AnswerForm) -> float:
    return float(same_value(left, right, key, spec))
