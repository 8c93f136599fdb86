"""The members and numbers of an object that a model wrote: what both notations accept."""

from __future__ import annotations

import math
from typing import Any

from promptstill.core.files import canonical_json

# No answer is nested as deeply, and code that walks one needs a bound.
DEEPEST = 32


class RepeatedKeyError(ValueError):
    """A key that occurs twice in one object, with different values."""


def unique_members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The object with these members. Raises RepeatedKeyError for a key with two different values."""
    members = dict(pairs)
    if len(members) < len(pairs):
        for key, content in pairs:
            # Python holds 1, 1.0 and True to be equal; as JSON they differ.
            if canonical_json(content) != canonical_json(members[key]):
                raise RepeatedKeyError(key)
    return members


def finite(digits: str) -> float:
    """A number with a fraction or an exponent. Raises ValueError if it is out of a float's range."""
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(f"{digits[:20]} is out of range")
    return number


def whole(digits: str) -> int:
    """An integer. Raises ValueError if it is out of a float's range, as JSON readers elsewhere expect it."""
    if len(digits) > 17:
        finite(digits)
    return int(digits)


def too_deep(value: object, left: int = DEEPEST) -> bool:
    """Whether a value is nested more than `left` levels deep."""
    if isinstance(value, dict):
        return left == 0 or any(too_deep(item, left - 1) for item in value.values())
    if isinstance(value, list):
        return left == 0 or any(too_deep(item, left - 1) for item in value)
    return False
