"""An object in Python's notation, as a model prints a dict: single quotes, True, None, a comma at the end.

Nothing is evaluated: the text is read token by token, and whatever is not plain data is an error.
"""

from __future__ import annotations

import re
from typing import Any

from promptstill.answers.members import DEEPEST, finite, unique_members, whole

_ESCAPE = r"\\(?:[\"'\\/nrtbf]|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|x[0-9a-fA-F]{2})"
_TOKEN = re.compile(
    r"\s*(?:(?P<mark>[{}\[\]():,])"
    rf"|(?P<text>\"(?:[^\"\\\r\n]|{_ESCAPE})*+\"|'(?:[^'\\\r\n]|{_ESCAPE})*+')"
    r"|(?P<float>-?(?:0|[1-9]\d*)(?:\.\d+(?:[eE][+-]?\d+)?|[eE][+-]?\d+)(?![\w.]))"
    r"|(?P<int>-?(?:0|[1-9]\d*)(?![\w.]))"
    r"|(?P<word>[A-Za-z]+(?![\w.])))",
    re.ASCII,
)
_WORDS = {"True": True, "False": False, "None": None, "true": True, "false": False, "null": None}
_CLOSING = {"[": "]", "(": ")"}
_LETTERS = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}


class NotationError(ValueError):
    """A text that is no object in Python's notation."""


def read_literal(text: str, position: int) -> tuple[dict[str, Any], int]:
    """The object that starts at `position`, and the position after it.

    Lists and tuples become lists. Raises NotationError if it is not plain data or is nested too deeply, and
    RepeatedKeyError if a key is repeated with different values.
    """
    value, end = _Reader(text).value(position, 0)
    if not isinstance(value, dict):
        raise NotationError("no object")
    return value, end


class _Reader:
    def __init__(self, text: str) -> None:
        self._text = text

    def value(self, position: int, depth: int) -> tuple[Any, int]:
        kind, token, position = self._token(position)
        if kind == "text":
            return _unescaped(token[1:-1]), position
        if kind == "int":
            return whole(token), position
        if kind == "float":
            return finite(token), position
        if kind == "word" and token in _WORDS:
            return _WORDS[token], position
        if depth >= DEEPEST or token not in ("{", *_CLOSING):
            raise NotationError(f"{token!r} is no plain data")
        return self._object(position, depth) if token == "{" else self._list(position, depth, _CLOSING[token])

    def _object(self, position: int, depth: int) -> tuple[dict[str, Any], int]:
        pairs: list[tuple[str, Any]] = []
        while not self._closes(position, "}"):
            kind, key, position = self._token(position)
            if kind != "text":
                raise NotationError("a key that is no text")
            position = self._expect(position, ":")
            value, position = self.value(position, depth + 1)
            pairs.append((_unescaped(key[1:-1]), value))
            position = self._separated(position, "}")
        return unique_members(pairs), self._expect(position, "}")

    def _list(self, position: int, depth: int, closing: str) -> tuple[list[Any], int]:
        items: list[Any] = []
        while not self._closes(position, closing):
            item, position = self.value(position, depth + 1)
            items.append(item)
            position = self._separated(position, closing)
        return items, self._expect(position, closing)

    def _separated(self, position: int, closing: str) -> int:
        """The position after the comma that follows an item; the closing mark may follow instead."""
        return position if self._closes(position, closing) else self._expect(position, ",")

    def _closes(self, position: int, closing: str) -> bool:
        return self._token(position)[1] == closing

    def _expect(self, position: int, mark: str) -> int:
        _, token, end = self._token(position)
        if token != mark:
            raise NotationError(f"{token!r} in the place of {mark!r}")
        return end

    def _token(self, position: int) -> tuple[str, str, int]:
        match = _TOKEN.match(self._text, position)
        if match is None or match.lastgroup is None:
            raise NotationError("no plain data")
        return match.lastgroup, match.group(match.lastgroup), match.end()


def _unescaped(body: str) -> str:
    text = re.sub(_ESCAPE, _character, body)
    try:
        # JSON writes a character outside the basic plane as a pair of surrogates.
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le")
    except UnicodeDecodeError:
        raise NotationError("half of a surrogate pair") from None


def _character(match: re.Match[str]) -> str:
    letter, digits = match.group()[1], match.group()[2:]
    if not digits:
        return _LETTERS.get(letter, letter)
    if int(digits, 16) > 0x10FFFF:
        raise NotationError("no character")
    return chr(int(digits, 16))
