"""The numbered passages of an input, in which order they are, and which of them have what an answer says."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache

import regex

from promptstill.answers.schema.likeness import tokens

# Digits of the number of a passage; a longer one is none.
LONGEST_NUMBER = 9


def passages(text: str, pattern: str) -> dict[int, str]:
    """The passages of an input by their numbers; `pattern` has two groups, the number and the text. Of two
    passages with one number, the first counts."""
    numbered: dict[int, str] = {}
    for digits, passage in _compiled(pattern).findall(text):
        if (number := number_of(digits)) >= 0:
            numbered.setdefault(number, passage)
    return numbered


def number_of(item: object) -> int:
    """The number of a passage as an input or an answer has it, such as `1` or `"1"`; -1 for anything else."""
    text = str(item)
    return int(text) if text.isdecimal() and len(text) <= LONGEST_NUMBER else -1


def listed(text: str, pattern: str) -> list[tuple[int, str]]:
    """Number and text of every passage of an input, in its order; -1 for what is no number."""
    return [(number_of(number), passage) for number, passage in _compiled(pattern).findall(text)]


def rearranged(text: str, pattern: str, order: Sequence[int]) -> str:
    """The input with the passages at the positions `order` alone, in that order. The numbers stay where they
    are, so the first passage gets the first number; what is between passages stays too."""
    places = list(_compiled(pattern).finditer(text))
    parts, end = list[str](), 0
    for number, place in enumerate(places):
        between = text[end : place.start()]
        end = place.end()
        if number >= len(order):
            parts.append(between if between.strip() else "")
            continue
        parts.append(between)
        last = place.start()
        for group in sorted((1, 2), key=place.start):
            source = place if group == 1 else places[order[number]]
            parts += [text[last : place.start(group)], source.group(group)]
            last = place.end(group)
        parts.append(text[last:end])
    return "".join([*parts, text[end:]])


def outside(text: str, pattern: str) -> str:
    """What an input has beside its passages, such as a title and a question."""
    return _compiled(pattern).sub("\n", text)


def supporting(text: str, numbered: Mapping[int, str], least: float) -> tuple[list[int], float]:
    """The numbers of the passages that have the words of a text, in their order, and the share of its words
    that they have together.

    The first is the passage with the most of the words. Each further one must add at least the share `least`.
    A word weighs more if fewer passages have it. Without a word that any passage has, there is no number and
    the share is 0.
    """
    words = {number: set(tokens(passage)) for number, passage in numbered.items()}
    having = Counter(word for of_passage in words.values() for word in of_passage)
    weight = {word: math.log((len(words) + 1) / (having[word] + 0.5)) for word in set(tokens(text))}
    missing = {word for word in weight if word in having}
    whole, known = sum(weight.values()), sum(weight[word] for word in missing)
    chosen: list[int] = []

    def gain(number: int) -> float:
        return sum(weight[word] for word in sorted(missing & words[number]))

    while missing:
        best = max(words, key=gain)
        if chosen and gain(best) < least * known:
            break
        chosen.append(best)
        missing -= words[best]
    covered = known - sum(weight[word] for word in sorted(missing))
    return sorted(chosen), covered / whole if chosen else 0.0


@lru_cache(maxsize=64)
def _compiled(pattern: str) -> regex.Pattern[str]:
    return regex.compile(pattern)
