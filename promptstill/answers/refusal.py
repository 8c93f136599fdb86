"""Refusals: sentences that mean that there is no answer become one sentence, or no answer at all."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import regex

from promptstill.answers.parsed import ReplyError
from promptstill.answers.schema.rules import Refusal
from promptstill.core.files import canonical_json
from promptstill.rows.row import Answer

# What may follow a sentence, or wrap it, without changing it.
_AROUND = " \t\r\n.!\"'“”‘’`*"


class RefusalReader:
    """Finds the refusals of one task."""

    def __init__(self, rules: Refusal, order: Iterable[str]) -> None:
        """The reader for the sentence and its variants. `order` has the keys of an object in their order."""
        self._rules, self._order = rules, tuple(order)
        either = "|".join([regex.escape(rules.text.strip(_AROUND)), *(f"(?:{v})" for v in rules.variants)])
        self._whole = regex.compile(rf"(?<!\w)(?:{either})(?!\w)", regex.IGNORECASE)

    def read(self, answer: Answer, repairs: set[str]) -> Answer:
        """The answer, with the canonical sentence if it refuses; the repair is added to `repairs`.

        Raises ReplyError for a refusal beside other words or beside values that an answer has.
        """
        rules = self._rules
        text = answer if isinstance(answer, str) else answer.get(str(rules.key))
        if not isinstance(text, str) or not self._refuses(text):
            return answer
        if text != rules.text:
            repairs.add("refusal_wording")
        if isinstance(answer, str):
            return rules.text
        for key, value in rules.others.items():
            if answer.get(key) is None:
                repairs.add("refusal_wording")
            elif canonical_json(answer[key]) != canonical_json(value):
                raise ReplyError("several_answers", f"a refusal with {key} = {_shown(answer[key])}")
        refused = {**answer, str(rules.key): rules.text, **rules.others}
        return {key: refused[key] for key in [*(k for k in self._order if k in refused), *refused]}

    def whole(self, reply: str) -> Answer | None:
        """The refusal in a reply that is its sentence, where answers are objects; None if it is anything
        else."""
        key = self._rules.key
        if key is None or self._whole.fullmatch(reply.strip(_AROUND)) is None:
            return None
        return {key: self._rules.text}

    def _refuses(self, text: str) -> bool:
        """Whether a text is a refusal and nothing else. Raises ReplyError if it is one beside other words."""
        if self._whole.fullmatch(text.strip(_AROUND)) is not None:
            return True
        if self._whole.search(text) is not None:
            raise ReplyError("several_answers", "a refusal beside other words")
        return False


def _shown(value: Any) -> str:  # noqa: ANN401
    return canonical_json(value)[:80]
