"""The numbered passages of an input, and which of them have what an answer says."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from functools import lru_cache

import regex

from promptstill.answers.schema.likeness import tokens

# Digits of the number of a passage; a longer one is none.
LONGEST_NUMBER = 9


def passages(text: str, pattern: str) -> dict[int, str]:
    """The passages of an input by their numbers; `pattern` has two groups, the number and the text. Of two
    passages with one number, the first counts."""
    numbered: dict[int, str] = {}
    for number, passage in _compiled(pattern).findall(text):
        if number.isdecimal() and len(number) <= LONGEST_NUMBER:
            numbered.setdefault(int(number), passage)
    return numbered


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
