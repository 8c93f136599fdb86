"""Shares of some cases: precision and recall of derived labels, and answers that rest on what they cite."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from promptstill.answers.citing import refuses, unsupported_facts
from promptstill.answers.schema.form import AnswerForm
from promptstill.answers.schema.rules import DerivedLabel
from promptstill.rows.row import Answer

# Whether a case counts as a hit, from its input, the answer and the truth; None if the rate is not about it.
Rate = Callable[[str, Answer | None, Answer], bool | None]


def rates(spec: AnswerForm) -> dict[str, Rate]:
    """The rates of a task by name; none for most tasks.

    Each named label of a rule has a precision, over the answers that have it, and a recall, over the cases
    whose truth has it. Where answers cite parts of their input, `grounded` is the share of answers whose
    facts all occur in what they cite. Refusals do not count, because they state no fact.
    """
    named: dict[str, Rate] = {}
    if isinstance(spec.rules.label, DerivedLabel):
        for label in spec.rules.label.labels:
            named[f"{label}_precision"] = partial(_precise, label=label, spec=spec)
            named[f"{label}_recall"] = partial(_recalled, label=label, spec=spec)
    if spec.rules.citations is not None:
        named["grounded"] = partial(_grounded, spec=spec)
    return named


def _precise(text: str, answer: Answer | None, truth: Answer, label: str, spec: AnswerForm) -> bool | None:
    return None if answer is None or spec.label(answer) != label else spec.label(truth) == label


def _recalled(text: str, answer: Answer | None, truth: Answer, label: str, spec: AnswerForm) -> bool | None:
    return None if spec.label(truth) != label else answer is not None and spec.label(answer) == label


def _grounded(text: str, answer: Answer | None, truth: Answer, spec: AnswerForm) -> bool | None:
    return None if answer is None or refuses(answer, spec) else not unsupported_facts(answer, text, spec)
