"""An object as the answer in a reply: the last one, if nothing beside it may be another answer."""

from __future__ import annotations

import re
from typing import Any

from promptstill.answers.fragments import Fragment, fragments
from promptstill.answers.members import RepeatedKeyError
from promptstill.answers.parsed import ReplyError
from promptstill.answers.schema.form import AnswerForm
from promptstill.answers.spelling import Spellings, letters, without_case, without_separators
from promptstill.answers.values import AS_WRITTEN, ValueReader
from promptstill.core.files import canonical_json
from promptstill.rows.row import Answer

_FENCE_BEFORE = re.compile(r"\s*```[a-zA-Z]*\s*")
# What a template has in the place of a label: nothing, `...`, `<category>`, `[label]`, `a | b`.
_PLACEHOLDER = re.compile(r"(?:\.{2,}|…|<.*>|\[.*\]|\{.*\}|.*\|.*)?", re.DOTALL)
# What it has in the place of a free text, which may hold the other signs itself.
_DOTS = re.compile(r"\.{2,}|…")


class ObjectReader:
    """Reads the objects of one task."""

    def __init__(self, form: AnswerForm) -> None:
        """The reader for the objects that `form` describes."""
        rules, properties = form.rules, form.schema.get("properties", {})
        self.values = {
            name: ValueReader(rules.keys.get(name, AS_WRITTEN), node, form.schema)
            for name, node in properties.items()
        }
        names = {other: key for key, value in rules.keys.items() for other in value.names}
        known = {name: name for name in properties} | names
        self._keys = Spellings(known, (without_case, without_separators, letters))
        self._folded_keys = {letters(name) for name in known}
        # An object without these keys only shows the format.
        self._telling = form.scored if form.label_key is None else (form.label_key,)
        self._python = rules.python
        # Without a key for the label, no single word names it.
        self._label = None if form.label_key is None else self.values[form.label_key]
        self._label_words = None if self._label is None else _words_of(self._label)
        self._stated = _stating([name for name, key in known.items() if key == form.label_key])

    def read(self, reply: str) -> tuple[Answer, set[str]]:
        """The answer, not yet checked against the schema, and the repairs that it took.

        Raises ReplyError if the reply has no object, or anything beside the last one may be another answer.
        """
        try:
            parts = list(fragments(reply))
        except RepeatedKeyError as error:
            raise ReplyError("several_answers", f"key {error} is repeated with different values") from None
        *earlier, last = self._about_the_answer(parts, reply)
        if last.value is None:
            raise ReplyError("not_json", "an object that cannot be read")
        repairs = {"python_notation"} if last.python else set()
        repairs |= _around(reply, last)
        answer = self._canonical(last.value, repairs)
        for part in earlier:
            if not self._is_template(part, reply) and not self._agrees(part, answer):
                raise ReplyError("several_answers", "an earlier object in the reply may be another answer")
        if repairs & {"prose"} and self._prose_contradicts(reply, [*earlier, last], answer):
            raise ReplyError("several_answers", f"the text states another {self._telling[0]} than the object")
        if last.python and not self._python:
            raise ReplyError("not_json", "Python's notation; `python: true` in normalise.yaml reads it")
        return answer, repairs

    def _about_the_answer(self, parts: list[Fragment], reply: str) -> list[Fragment]:
        """The parts that name a key of the answer; the last object if none does."""
        about = [part for part in parts if self._names_a_key(part, reply)]
        about = about or [part for part in parts if part.value is not None][-1:]
        if not about:
            raise ReplyError("not_json", "an object that cannot be read" if parts else "no JSON object")
        return about

    def _names_a_key(self, part: Fragment, reply: str) -> bool:
        if part.value is None:
            text = letters(reply[part.start : part.end])
            return any(key in text for key in self._folded_keys)
        return self._has_a_key(part.value)

    def _has_a_key(self, value: object) -> bool:
        if isinstance(value, dict):
            return any(self._keys.find(key) is not None or self._has_a_key(value[key]) for key in value)
        return isinstance(value, list) and any(self._has_a_key(item) for item in value)

    def _is_template(self, part: Fragment, reply: str) -> bool:
        """Whether a part only shows the format: it has a placeholder as label, or names no label at all.

        Without a key for the label, a placeholder in any scored key shows it.
        """
        if part.value is None:
            text = letters(reply[part.start : part.end])
            words = self._label_words
            return part.closed and words is not None and not any(word in text for word in words)
        members = [(self._keys.find(key), content) for key, content in part.value.items()]
        return any(
            key in self._telling and isinstance(content, str) and self._is_placeholder(key, content)
            for key, content in members
        )

    def _is_placeholder(self, key: str | None, content: str) -> bool:
        value = self.values[str(key)]
        if value.shape.enum is None:
            return _DOTS.fullmatch(content.strip()) is not None
        return _PLACEHOLDER.fullmatch(content.strip()) is not None and not value.shape.has(content)

    def _agrees(self, part: Fragment, answer: dict[str, Any]) -> bool:
        """Whether a part says the same as the answer, as far as it says anything."""
        if part.value is None:
            return False
        stated = {k: v for k, v in self._canonical(part.value, set()).items() if k in self.values}
        return bool(stated) and all(
            key in answer and canonical_json(answer[key]) == canonical_json(value)
            for key, value in stated.items()
        )

    def _prose_contradicts(self, reply: str, parts: list[Fragment], answer: dict[str, Any]) -> bool:
        """Whether the text outside the objects states another label of the enum, as in `category: other`."""
        if self._label is None or self._label.listed.enum is None:
            return False
        label, own = self._label.listed, canonical_json(answer.get(self._telling[0]))
        edges = [0, *(edge for part in parts for edge in (part.start, part.end)), len(reply)]
        outside = "\n".join(reply[start:end] for start, end in zip(edges[::2], edges[1::2], strict=True))
        words = (match.strip(" .!\t") for match in self._stated.findall(outside))
        stated = (self._label.read_item(word) for word in words)
        return any(label.has(value) and canonical_json(value) != own for value in stated)

    def _canonical(self, value: dict[str, Any], repairs: set[str]) -> dict[str, Any]:
        """The members under their own names, in the order of the schema, each in canonical form."""
        members: dict[str, Any] = {}
        for key, content in value.items():
            name = self._keys.find(key) or key
            if name != key:
                repairs.add("key_spelling" if letters(name) == letters(key) else "key_alias")
            read = self.values[name].read(content, repairs) if name in self.values else content
            if name in members and canonical_json(members[name]) != canonical_json(read):
                raise ReplyError("several_answers", f"key {name} has two names with different values")
            members[name] = read
        order = [*(name for name in self.values if name in members), *members]
        return {name: members[name] for name in order}


def _stating(names: list[str]) -> re.Pattern[str]:
    """What finds the value after one of the names and a colon or an equals sign."""
    either = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
    return re.compile(rf"(?<!\w)(?:{either})[\"'*`]*\s*[:=]\s*[\"'*`]*([^\"'*`,;\n{{}}]+)", re.IGNORECASE)


def _words_of(label: ValueReader) -> frozenset[str] | None:
    """Folded words of which an object must have one to name a label; None if that cannot be known."""
    if label.listed.enum is None or len(label.listed.texts) < len(label.listed.enum):
        return None
    return frozenset(letters(word) for word in [*label.listed.texts, *label.rules.aliases])


def _around(reply: str, part: Fragment) -> set[str]:
    """The repair that the text around an object is, if there is any."""
    before, after = reply[: part.start], reply[part.end :]
    if not before.strip() and not after.strip():
        return set()
    return {"markup"} if _FENCE_BEFORE.fullmatch(before) and after.strip() == "```" else {"prose"}
