"""The sentences and the words of a text."""

from __future__ import annotations

import regex

from promptstill.answers.schema.likeness import TOKEN

_ABBREVIATED = "st ste mr mrs ms dr prof sr jr mt ave rd blvd dept tel ext approx incl excl max min vs fig cf"
# A full stop after one of these never ends a sentence: a name or a number follows.
_TITLES = {*_ABBREVIATED.split(), "e.g", "i.e"}
# After one of these it ends a sentence unless a number, a day or a month follows.
_UNITS = frozenset({"a.m", "p.m", "am", "pm", "etc", "inc", "ltd", "co", "h", "hrs", "mins", "no", "nos"})
_DAYS = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
_MONTH_NAMES = "january february march april may june july august september october november december"
_MONTHS = _MONTH_NAMES.split()
# Days and months with their usual abbreviations, each with the full name.
CALENDAR = (
    {name: name for name in (*_DAYS, *_MONTHS)}
    | {name[:3]: name for name in (*_DAYS, *_MONTHS)}
    | {"tues": "tuesday", "thur": "thursday", "thurs": "thursday", "sept": "september"}
)
# Each repeat takes all that it can at once, so the time grows with the length of the text only.
_END = regex.compile(
    r"""
    (?<! [.!?…] ) (?P<mark> [.!?…]++ ) [\"'”’)\]»]*+ (?: \s++ (?= (?P<next> \S+ ) ) | \s*+\Z )
    | [。！？؟।॥]+ [\"'”’」』)]* \s*
    | [\r\n\u2028\u2029] \s*
    """,
    regex.VERBOSE,
)
# It matches backwards, from the end of a text.
_LAST_WORD = regex.compile(r"(?r)(?:\p{L}\.)*[\p{L}\p{M}\p{N}]+")
_WORD = regex.compile(r"[\p{L}\p{N}]+")


def sentences(text: str) -> list[str]:
    """The sentences of a text. They end with a mark or with a line.

    The marks of decimals, times and abbreviations, and marks before a small letter, end none.
    """
    parts, start = [], 0
    for end in _END.finditer(text):
        after = end["next"]
        if after is None or not _goes_on(text[start : end.start()], end["mark"], after):
            parts.append(text[start : end.end()].strip())
            start = end.end()
    return [part for part in [*parts, text[start:].strip()] if _WORD.search(part)]


def words(text: str) -> int:
    """The number of words; of scripts that write no spaces between words, each character is one."""
    return sum(_WORD.search(token) is not None for token in TOKEN.findall(text))


def _goes_on(before: str, mark: str, after: str) -> bool:
    """Whether the sentence goes on after a mark, by the words before and after it."""
    first, last = _WORD.search(after), _LAST_WORD.match(before)
    if first is None or last is None:
        return False
    following, word = first.group(), last.group().casefold()
    if following[0].islower():
        return True
    if mark != ".":
        return False
    if word in _UNITS:
        return following[0].isdigit() or following.casefold() in CALENDAR
    # A single capital is an initial, as in `J. Smith`.
    return word in _TITLES or (len(word) == 1 and last.group().isupper())
