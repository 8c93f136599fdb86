"""Shares of some cases: precision and recall of derived labels, and answers that rest on what they cite."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from promptstill.answers.grounding import passages, unsupported
from promptstill.answers.schema.form import AnswerForm
from promptstill.answers.schema.rules import DerivedLabel
from promptstill.answers.schema.shape import shape_of
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


def refuses(answer: Answer, spec: AnswerForm) -> bool:
    """Whether an answer is the task's refusal."""
    rules = spec.rules.refusal
    if rules is None:
        return False
    return (answer if isinstance(answer, str) else answer.get(str(rules.key))) == rules.text


def citations(answer: Answer | None, spec: AnswerForm) -> list[Any]:
    """The numbers that an answer cites, whether or not the input has them; none without an answer."""
    rules = spec.rules.citations
    cited = None if rules is None or not isinstance(answer, dict) else answer.get(rules.key)
    return cited if isinstance(cited, list) else [] if cited is None else [cited]


def stated_keys(spec: AnswerForm) -> tuple[str, ...]:
    """The keys with texts of an answer's own: what it says, and not which of the listed values it takes."""
    properties = spec.schema.get("properties", {})
    shapes = {key: shape_of(node, spec.schema) for key, node in properties.items()}
    return tuple(
        key
        for key, shape in shapes.items()
        if shape.enum is None and shape.allows_text() and key not in _cited(spec)
    )


def _cited(spec: AnswerForm) -> tuple[str, ...]:
    return () if spec.rules.citations is None else (spec.rules.citations.key,)


def _precise(text: str, answer: Answer | None, truth: Answer, label: str, spec: AnswerForm) -> bool | None:
    return None if answer is None or spec.label(answer) != label else spec.label(truth) == label


def _recalled(text: str, answer: Answer | None, truth: Answer, label: str, spec: AnswerForm) -> bool | None:
    return None if spec.label(truth) != label else answer is not None and spec.label(answer) == label


def _grounded(text: str, answer: Answer | None, truth: Answer, spec: AnswerForm) -> bool | None:
    rules = spec.rules.citations
    if rules is None or not isinstance(answer, dict) or refuses(answer, spec):
        return None
    parts = passages(text, rules.passages)
    cited = [parts[number] for number in citations(answer, spec) if number in parts]
    stated = [value for key in stated_keys(spec) if isinstance(value := answer.get(key), str)]
    return not unsupported("\n".join(stated), cited)
