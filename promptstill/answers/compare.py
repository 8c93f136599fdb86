"""When two answers are the same: all scored keys are equal, or the whole text is."""

from __future__ import annotations

from promptstill.answers.form import AnswerForm
from promptstill.core.files import canonical_json
from promptstill.rows.row import Answer


def essence(answer: Answer, spec: AnswerForm) -> tuple[str, ...]:
    """What two answers have in common exactly if they are the same: the scored values, or the text itself.

    An absent key is the same as null, and the order of keys inside a value does not matter.
    """
    if isinstance(answer, str):
        return (answer,)
    return tuple(canonical_json(answer.get(key)) for key in spec.scored)


def same(left: Answer | None, right: Answer | None, spec: AnswerForm) -> bool:
    """Whether two answers are the same. A missing answer is not the same as any other."""
    if left is None or right is None:
        return False
    return essence(left, spec) == essence(right, spec)
