"""Whether a text says only what passages say: its numbers, amounts, dates, times and names are looked up.

The comparison is between readings, so `9 a.m.` is `9:00`, `$1,150.00` is `1150 dollars`, `Mon-Wed` includes
Tuesday, and `the Libraries'` is `library`. Words are those of English. In other languages, digits and words
with capitals are read.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple

import regex

from promptstill.answers.sentences import CALENDAR, sentences

# Texts and words that are remembered: a passage is in many inputs.
REMEMBERED = 4_096

_NUMBERS = (
    "two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen twenty"
)
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
_ORDINALS = "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth"
_VALUES = (
    {word: str(value) for value, word in enumerate(_NUMBERS.split(), 2)}
    | {word: str(10 * value) for value, word in enumerate(_TENS.split(), 2)}
    | {word: str(value) for value, word in enumerate(_ORDINALS.split(), 1)}
    | {"one": "1", "hundred": "100", "thousand": "1000"}
    | {"noon": "12:00", "midday": "12:00", "midnight": "0:00"}
)
# They are numbers, but an answer uses them in other meanings too.
_VAGUE = frozenset({"one", "first"})
_CURRENCIES = {
    "€": "euro", "euro": "euro", "eur": "euro", "$": "dollar", "dollar": "dollar", "usd": "dollar",
    "£": "pound", "gbp": "pound", "%": "percent", "percent": "percent", "per cent": "percent",
}  # fmt: skip
_WEEK, _YEAR = list(dict.fromkeys(CALENDAR.values()))[:7], list(dict.fromkeys(CALENDAR.values()))[7:]
_SPANS = {"weekday": _WEEK[:5], "weekend": _WEEK[5:], "daily": _WEEK}
# At the start of a sentence these are other words as well.
_AMBIGUOUS = frozenset({"may", "march", "mar", "sun", "sat"})
_TOKEN = regex.compile(
    r"""
    (?P<sign> \p{Sc} | % | per\ cent\b )
    | (?P<word> \L<tens>-\L<ones>\b | \p{Lo} [\p{Lo}\p{M}]*
      | \p{L} [\p{L}\p{M}\p{N}]* (?: ['’]\p{L}+ )* ['’]? )
    | (?<![\p{N}.,]) (?P<hour>\d{1,2}) (?: [:.](?P<minute>[0-5]\d) )? \s? (?P<half>[ap])\.?m\b\.?
    | (?<![\p{N}.,]) (?P<hour>\d{1,2}) (?: :(?P<minute>[0-5]\d) | \s? o['’]clock ) (?!\d)
    | (?P<number> \d{1,3} (?: [,.'’]\d{3} )+ (?: [.,]\d{1,2} )? (?!\d) | \d+ (?: [.,]\d+ )? )
      (?: st | nd | rd | th )?
    """,
    regex.VERBOSE | regex.IGNORECASE,
    tens=_TENS.split(),
    ones=["one", *_NUMBERS.split()[:8]],
)
_DAY = "|".join(sorted(CALENDAR, key=len, reverse=True))
_RANGE = regex.compile(rf"\b({_DAY})s?\s*(?:[-–—]|to|through|until)\s*({_DAY})s?\b", regex.IGNORECASE)
_THOUSANDS = regex.compile(r"[,.'’](?=\d{3}(?!\d))")
_THIN_SPACE = regex.compile(r"(?<=\d)[\xa0\u2009\u202f](?=\d{3}(?!\d))")
_POSSESSIVE = regex.compile(r"'s?\Z")
_PLURAL = regex.compile(r"(?<=\w\w(?:ss|x|ch|sh|z))es\Z|(?<=\w{3})(?<!s)s\Z")


class Fact(NamedTuple):
    """A fact as it is written, and the ways to read it. A name is a word; other facts are numbers, times and
    the signs or words of amounts."""

    text: str
    readings: frozenset[str]
    name: bool


def unsupported(text: str, cited: Iterable[str], named: str = "") -> list[str]:
    """The facts of a text, as written there, that occur in none of the cited passages.

    Names, days and months may occur in `named` too, such as the question that the text answers.
    """
    known = frozenset[str]().union(*(_known(passage) for passage in cited))
    names = known | _known(named)
    return [fact.text for fact in facts(text) if not fact.readings & (names if fact.name else known)]


def facts(text: str) -> list[Fact]:
    """The numbers, amounts, dates, times and names of a text.

    A word is a name if it has a capital or a digit. The first word of a sentence has a capital anyway, so it
    counts only if it is a day, a month, or all in capitals.
    """
    return [fact for sentence in sentences(_plain(text)) for fact in _of_sentence(sentence)]


def _of_sentence(sentence: str) -> Iterator[Fact]:
    first = True
    for match in _TOKEN.finditer(sentence):
        word = match.group()
        if match.lastgroup != "word":
            yield Fact(word, frozenset(_readings(match)), name=False)
        elif (reading := _meaning(word))[0].isdigit() or reading in _CURRENCIES:
            if word.casefold() not in _VAGUE:
                yield Fact(word, frozenset({reading}), name=False)
        elif _is_name(word, first):
            yield Fact(word, frozenset({reading}), name=True)
        first = False


def _is_name(word: str, first: bool) -> bool:
    if (len(word) > 1 and word.isupper()) or any(letter.isdigit() for letter in word):
        return True
    folded = word.casefold()
    if first and (folded in _AMBIGUOUS or folded not in CALENDAR):
        return False
    return word[0].isupper() and word != "I" and not word.startswith(("I'", "I’"))


def _readings(match: regex.Match[str]) -> Iterator[str]:
    """The readings of a token. `1.150` may be 1150 and 1.15."""
    kind = match.lastgroup
    if kind == "word":
        yield _meaning(match.group())
    elif kind == "number":
        grouped = _THOUSANDS.sub("", match["number"])
        yield _number(grouped)
        if len(match["number"]) - len(grouped) == 1 and grouped.isdecimal():
            yield _number(match["number"])
    elif kind == "sign":
        yield _CURRENCIES.get(match["sign"].casefold(), match["sign"])
    else:
        yield _time(int(match["hour"]), match["minute"] or "00", match["half"])


def _time(hour: int, minute: str, half: str | None) -> str:
    """A time as hour and minute; `12 a.m.` and 24:00 are 0:00."""
    if half is not None:
        hour = hour % 12 + 12 * (half in "pP")
    return f"{hour % 24}:{minute}"


def _number(written: str) -> str:
    """A number without the zeros that mean nothing."""
    whole, _, part = written.replace(",", ".").partition(".")
    whole, part = whole.lstrip("0") or "0", part.rstrip("0")
    return f"{whole}.{part}" if part else whole


@lru_cache(REMEMBERED)
def _meaning(word: str) -> str:
    """What a word says: a number, a currency, a day or a month, or itself without case, possessive and
    plural."""
    tens, _, ones = word.casefold().partition("-")
    if ones:
        return _VALUES[tens][0] + _VALUES[ones]
    bare = _POSSESSIVE.sub("", word.casefold().replace("’", "'"))
    stem = _PLURAL.sub("", bare)
    stem = f"{stem[:-2]}y" if stem != bare and stem.endswith("ie") else stem
    for meanings in (_VALUES, _CURRENCIES, CALENDAR):
        meaning = meanings.get(bare) or meanings.get(stem)
        if meaning is not None:
            return meaning
    return stem


@lru_cache(REMEMBERED)
def _known(text: str) -> frozenset[str]:
    """All that a text supports: its readings, the days and months between two, full hours as numbers."""
    plain = _plain(text)
    known = {reading for match in _TOKEN.finditer(plain) for reading in _readings(match)}
    known |= {time.removesuffix(":00") for time in known if time.endswith(":00")}
    for ends in _RANGE.findall(plain):
        known.update(_between(*(CALENDAR[end.casefold()] for end in ends)))
    for word, days in _SPANS.items():
        if word in known:
            known.update(days)
    return frozenset(known)


def _between(first: str, last: str) -> list[str]:
    """The days or the months from the first to the last, also over the end of a week or a year."""
    for names in (_WEEK, _YEAR):
        if first in names and last in names:
            start, stop = names.index(first), names.index(last) + 1
            return names[start:stop] if start < stop else names[start:] + names[:stop]
    return []


@lru_cache(REMEMBERED)
def _plain(text: str) -> str:
    """The text with plain letters and spaces, and with the digits of ASCII for those of other scripts."""
    if text.isascii():
        return text
    # Patterns without case take `İ` for an `i`, and `casefold` makes two characters of it.
    plain = unicodedata.normalize("NFKC", _THIN_SPACE.sub("'", text)).replace("İ", "I")
    return "".join(str(unicodedata.decimal(c)) if c.isdecimal() else c for c in plain)
