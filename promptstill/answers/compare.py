"""When two answers are the same: all scored keys are equal, or the whole text is."""

from __future__ import annotations

import json

from promptstill.answers.spec import AnswerSpec
from promptstill.rows.row import Answer


def essence(answer: Answer, spec: AnswerSpec) -> tuple[str, ...]:
    """What two answers have in common exactly if they are the same: the scored values, or the text itself."""
    if isinstance(answer, str):
        return (answer,)
    return tuple(json.dumps(answer.get(key)) for key in spec.scored)


def same(left: Answer | None, right: Answer | None, spec: AnswerSpec) -> bool:
    """Whether two answers are the same. A missing answer is not the same as any other."""
    if left is None or right is None:
        return False
    return essence(left, spec) == essence(right, spec)
