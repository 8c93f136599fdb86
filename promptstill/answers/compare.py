"""When two answers are the same, and when they contradict each other.

They are the same if all scored keys are equal, or if the whole text is. They contradict each other if one of
the keys with listed values differs: two good texts are never equal to the letter, but two good decisions are.
"""

from __future__ import annotations

from collections.abc import Iterable

from promptstill.answers.schema.form import AnswerForm
from promptstill.answers.schema.shape import shape_of
from promptstill.core.files import canonical_json
from promptstill.rows.row import Answer


def essence(answer: Answer, spec: AnswerForm) -> tuple[str, ...]:
    """What two answers have in common exactly if they are the same: the scored values, or the text itself."""
    return (answer,) if isinstance(answer, str) else values(answer, spec.scored)


def values(answer: Answer, keys: Iterable[str]) -> tuple[str, ...]:
    """The values of some keys of an object, for comparison; a text has none.

    An absent key is the same as null, and the order of keys inside a value does not matter.
    """
    return () if isinstance(answer, str) else tuple(canonical_json(answer.get(key)) for key in keys)


def same(left: Answer | None, right: Answer | None, spec: AnswerForm) -> bool:
    """Whether two answers are the same. A missing answer is not the same as any other."""
    if left is None or right is None:
        return False
    return essence(left, spec) == essence(right, spec)


def closed_keys(spec: AnswerForm) -> tuple[str, ...]:
    """The scored keys beside the label whose values the schema lists: an enum, a constant or a boolean.

    The stated confidence is never one of them, because it says how sure the teacher is, and not of what.
    """
    properties = spec.schema.get("properties", {})
    return tuple(
        key
        for key in spec.scored[1:]
        if key != spec.rules.confidence and shape_of(properties.get(key), spec.schema).enum is not None
    )
