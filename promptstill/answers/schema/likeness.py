"""How alike two values of an answer are, and whether they are the same, by the comparison of their key."""

from __future__ import annotations

import math
import unicodedata
from collections import Counter
from collections.abc import Collection
from functools import lru_cache
from typing import Any

import regex

from promptstill.answers.schema.rules import ValueRules
from promptstill.answers.schema.shape import is_number
from promptstill.core.files import canonical_json

_MARKS = regex.compile(r"(?:(?!\s)[\p{P}\p{S}\p{C}])+")
_ARTICLES = regex.compile(r"\b(?:a|an|the)\b")
# Scripts that write no spaces between words. There each character is a token, as MLQA has it for Chinese
# (https://github.com/facebookresearch/MLQA/blob/main/mlqa_evaluation_v1.py).
_UNSPACED = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]"
_TOKEN = regex.compile(rf"{_UNSPACED}\p{{M}}*|(?:(?!{_UNSPACED})\S)+")
# Texts whose tokens are remembered: samples and answers are compared several times each.
REMEMBERED = 4_096


@lru_cache(REMEMBERED)
def tokens(text: str) -> tuple[str, ...]:
    """The words of a text without case, punctuation, symbols and the English articles, as SQuAD's evaluation
    compares them (https://rajpurkar.github.io/SQuAD-explorer, `normalize_answer`)."""
    bare = _MARKS.sub("", unicodedata.normalize("NFKC", text).casefold())
    return tuple(_TOKEN.findall(_ARTICLES.sub(" ", bare)))


def token_f1(left: str, right: str) -> float:
    """F1 of the tokens that two texts share, each as often as it occurs in both.

    Texts without any token, such as `+` and `-`, are compared as they are. As in SQuAD, `1.5` and `15` are
    the same token.
    """
    if not tokens(left) and not tokens(right):
        return float(left.strip() == right.strip())
    return _f1(Counter(tokens(left)), Counter(tokens(right)))


def set_f1(left: Collection[Any], right: Collection[Any]) -> float:
    """F1 of the items that two lists share, each counted once; 1 if both are empty."""
    return _f1(_items(left), _items(right))


def likeness(left: Any, right: Any, rules: ValueRules) -> float:  # noqa: ANN401
    """How alike two values are, from 0 to 1: an F1 for sets and texts, else 1 if they are the same."""
    if rules.compare == "set" and isinstance(left, list) and isinstance(right, list):
        return set_f1(left, right)
    if rules.compare == "text" and isinstance(left, str) and isinstance(right, str):
        return token_f1(left, right)
    if rules.compare == "number" and is_number(left) and is_number(right):
        # Decimal fractions are no exact floats: 1.05 - 1.0 is a little more than 0.05.
        return float(math.isclose(left, right, rel_tol=1e-12, abs_tol=rules.tolerance * (1 + 1e-9)))
    return float(left is right or canonical_json(left) == canonical_json(right))


def alike(left: Any, right: Any, rules: ValueRules) -> bool:  # noqa: ANN401
    """Whether two values are the same."""
    return likeness(left, right, rules) >= (rules.same_from if rules.compare == "text" else 1.0)


def _items(values: Collection[Any]) -> Counter[str]:
    return Counter({canonical_json(value) for value in values})


def _f1(left: Counter[str], right: Counter[str]) -> float:
    total = left.total() + right.total()
    return 2 * (left & right).total() / total if total else 1.0
