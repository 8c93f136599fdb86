"""Markup around an open text answer: taken off where it wraps the whole text, left alone inside it.

A label of a closed list is known by its letters, so everything around it may go. An open text has quotes,
asterisks and punctuation of its own.
"""

from __future__ import annotations

import re

import regex

# A pair wraps a text if its mark is at both ends and nowhere between them.
_QUOTES = ("```", "`", '"', "'")
_EMPHASIS = ("**", "*")
_LANGUAGE = re.compile(r"[a-zA-Z]*\n")
_MARK = re.compile(r"\*\*|\*|`")


def unwrapped(text: str) -> str:
    """The text without code fences, quotes and emphasis that wrap all of it, and without space around it."""
    text = text.strip()
    while (inner := _inner(text)) is not None:
        text = inner.strip()
    return text


def _inner(text: str) -> str | None:
    for mark in (*_QUOTES, *_EMPHASIS):
        inner = text[len(mark) : -len(mark)]
        wraps = len(text) >= 2 * len(mark) and text.startswith(mark) and text.endswith(mark)
        if not wraps or mark in inner:
            continue
        if mark == "```":
            return _LANGUAGE.sub("", inner, count=1) if _LANGUAGE.match(inner) else inner
        # `* a *` is no emphasis.
        if mark in _QUOTES or inner == inner.strip():
            return inner
    return None


def open_matches(pattern: regex.Pattern[str], raw: str) -> list[str]:
    """What the group of `pattern` matches in a reply, with the markup that belongs to it.

    Emphasis may occur inside the words of the pattern, so they are looked for in the reply without any. A
    pattern that names markup itself matches the reply as it is.
    """
    kept = [index for index, char in enumerate(raw) if char not in "*`"]
    spans = [match.span(1) for match in pattern.finditer("".join(raw[index] for index in kept))]
    own: list[str] = pattern.findall(raw)
    if len(own) > len(spans):
        return own
    return [_with_markup(raw, kept[start], kept[end - 1] + 1) if end > start else "" for start, end in spans]


def _with_markup(raw: str, start: int, end: int) -> str:
    """`raw[start:end]` with the marks next to it, but for those that close what was opened before it on its
    line: `**Answer: yes**` has two such marks, `Answer: **yes**` none."""
    first = start
    while first > 0 and raw[first - 1] in "*`":
        first -= 1
    outside = _MARK.findall(raw, raw.rfind("\n", 0, first) + 1, first)
    opened = {mark for mark in outside if outside.count(mark) % 2}
    before = ""
    for mark in _MARK.findall(raw, first, start):
        if mark in opened:
            opened.remove(mark)
        else:
            before += mark
    text = before + raw[start:end]
    last = end
    while last < len(raw) and raw[last] in "*`":
        last += 1
    for mark in _MARK.findall(raw, end, last):
        if mark in opened and not _MARK.findall(text).count(mark) % 2:
            opened.remove(mark)
        else:
            text += mark
    return text
