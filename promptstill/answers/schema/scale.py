"""How a probability is stated as a confidence: the numbers that a schema allows, and which means 1."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from promptstill.answers.schema.shape import is_number

# A confidence is stated in steps of a hundredth.
FRACTIONS, PERCENTAGES = (0, *(i / 100 for i in range(1, 100)), 1), tuple(range(101))


def listed_scale(values: Sequence[Any]) -> tuple[int, list[int | float]]:
    """What a probability of 1 is on the scale of listed numbers, and these numbers; none if it is unknown."""
    numbers = [value for value in values if is_number(value)]
    lowest, highest = min(numbers, default=-1), max(numbers, default=-1)
    if lowest < 0 or not (highest <= 1 or highest == 100):
        return 1, []
    return (1 if highest <= 1 else 100), numbers


def scale(allowed: Callable[[Any], bool]) -> tuple[int, list[int | float]]:
    """What a probability of 1 is on the scale of the allowed numbers, and the steps that are allowed; none if
    the scale is another, such as 1 to 5."""
    fractions = [step for step in FRACTIONS if allowed(step)]
    between = any(0 < step < 1 for step in fractions)
    bounded = not allowed(PERCENTAGES[-1] + 1)
    if between and not (bounded and allowed(2)):
        return 1, fractions
    if (allowed(99) or allowed(100)) and (bounded or not between):
        return 100, [step for step in PERCENTAGES if allowed(step)]
    return 1, []
