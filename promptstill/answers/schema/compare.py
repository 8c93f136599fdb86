"""When two answers are the same, and when they contradict each other.

They are the same if they have the same label and every scored key compares as equal, or if the whole texts
do; `normalise.yaml` says how each key is compared. They contradict each other if one of the keys with listed
values differs: two good texts are seldom equal to the letter, but two good decisions are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from promptstill.answers.schema.form import AnswerForm
from promptstill.answers.schema.likeness import alike, likeness
from promptstill.answers.schema.shape import shape_of
from promptstill.rows.row import Answer


def same(left: Answer | None, right: Answer | None, spec: AnswerForm) -> bool:
    """Whether two answers are the same. A missing answer is not the same as any other."""
    if left is None or right is None:
        return False
    if left == right:
        return True
    # A label in a key is compared as that key is, a derived one as the text that it is.
    labels = spec.label_key is not None or spec.label(left) == spec.label(right)
    return labels and all(same_value(left, right, key, spec) for key in compared_keys(spec))


def same_value(left: Answer, right: Answer, key: str, spec: AnswerForm) -> bool:
    """Whether two answers have the same value at a key; an absent key is the same as null."""
    return alike(value(left, key), value(right, key), spec.rules_of(key))


def value_likeness(left: Answer, right: Answer, key: str, spec: AnswerForm) -> float:
    """How alike the values of two answers at a key are, from 0 to 1."""
    return likeness(value(left, key), value(right, key), spec.rules_of(key))


def value(answer: Answer, key: str) -> Any:  # noqa: ANN401
    """The value at a key, or the text if answers are texts; None if it is absent."""
    return answer if isinstance(answer, str) else answer.get(key)


def compared_keys(spec: AnswerForm) -> tuple[str, ...]:
    """The keys by which answers are compared; the empty text for text answers."""
    return spec.scored if spec.rules.format == "json" else ("",)


def deciding_keys(spec: AnswerForm) -> tuple[str, ...]:
    """The keys beside the label by which answers contradict each other.

    These are the scored keys whose values the schema lists, and those that are compared as sets, texts or
    numbers. A free value that is compared to the letter is left out, because two good texts differ too. So is
    the stated confidence, because it says how sure the teacher is, and not of what.
    """
    if spec.rules.format == "text":
        return () if spec.rules.value.compare == "exact" else ("",)
    properties = spec.schema.get("properties", {})
    return tuple(
        key
        for key in spec.rules.scored
        if key != spec.rules.confidence
        and (
            shape_of(properties.get(key), spec.schema).enum is not None
            or spec.rules_of(key).compare != "exact"
        )
    )


# Whether the answers of two rows contradict each other by what they say beside the label.
Differ = Callable[[Answer, Answer], bool]


def contradiction(spec: AnswerForm) -> Differ:
    """A function that says whether two answers differ in one of the deciding keys."""
    keys = deciding_keys(spec)
    return lambda left, right: any(not same_value(left, right, key, spec) for key in keys)
