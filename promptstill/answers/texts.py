"""A text answer in a reply: the whole reply, or what follows the words that the task's pattern names."""

from __future__ import annotations

import re

import regex

from promptstill.answers.markup import open_matches, unwrapped
from promptstill.answers.parsed import ReplyError
from promptstill.answers.schema.form import AnswerForm
from promptstill.answers.values import ValueReader
from promptstill.rows.row import Answer

_FENCE = re.compile(r"\A\s*```[a-zA-Z]*\n(.*?)\n?```\s*\Z", re.DOTALL)
# What may surround a label of a closed list.
_AROUND = "\"'.,;:!*` \t\r\n"


class TextReader:
    """Reads text answers of one task."""

    def __init__(self, form: AnswerForm) -> None:
        """The reader for the text answers that `form` describes."""
        self.value = ValueReader(form.rules.value, form.schema, form.schema)
        self._listed = frozenset(self.value.shape.texts)
        self._open = self.value.shape.enum is None
        self._pattern = None if form.rules.pattern is None else regex.compile(form.rules.pattern)

    def read(self, reply: str) -> tuple[Answer, set[str]]:
        """The answer and the repairs that it took. Raises ReplyError if a reply has none or several."""
        fenced = None if self._open else _FENCE.match(reply)
        raw = fenced.group(1) if fenced else reply
        repairs = {"markup"} if fenced else set()
        answers = {self._answer(candidate, repairs) for candidate in self._candidates(raw, repairs)}
        if len(answers) > 1:
            raise ReplyError("several_answers", f"{len(answers)} different answers in one reply")
        (answer,) = answers
        if answer is None:
            raise ReplyError("schema_mismatch", "$: null is no text")
        return answer, repairs

    def _candidates(self, raw: str, repairs: set[str]) -> list[str]:
        """The texts that may be the answer.

        Emphasis may occur inside the words of the pattern, so it is looked for without any.
        """
        if self._pattern is not None and self._open:
            return open_matches(self._pattern, unwrapped(raw)) or [raw]
        if self._pattern is not None:
            bare = raw.replace("*", "").replace("`", "")
            matches: list[str] = self._pattern.findall(bare)
            own: list[str] = matches if bare == raw else self._pattern.findall(raw)
            if len(own) < len(matches):
                repairs.add("markup")
                return matches
            if own:
                return own
        return [raw]

    def _answer(self, candidate: str, repairs: set[str]) -> str | None:
        candidate = candidate.strip()
        if candidate in self._listed:
            return candidate
        stripped = unwrapped(candidate) if self._open else candidate.strip(_AROUND)
        if self._open and not stripped:
            raise ReplyError("no_answer", "markup without a text")
        if stripped != candidate:
            repairs.add("markup")
        value = self.value.read(stripped, repairs)
        return None if value is None else str(value)
