"""`expectations/<task>/normalise.yaml` as pydantic models: which variations of an answer's shape are
accepted, and when two answers are the same."""

from __future__ import annotations

from typing import Any, Literal, Self

import regex
from pydantic import Field, field_validator, model_validator

from promptstill.core.settings import Settings

# The metric of the label, and the comparisons with a degree between the same and another value.
ACCURACY, GRADED = "accuracy", ("set", "text")


class ValueRules(Settings):
    """Variations of one key and of its value that have the same meaning.

    `names` are other names of the key. `enum_spelling` maps case, spaces, hyphens and underscores to the
    spelling of the schema's enum. `number` reads a number where the schema would allow a text too.

    `compare` says when two values are the same: `exact`, `set` (lists in any order, repeats counted once),
    `text` (a token F1 of `same_from` or more) or `number` (a difference of `tolerance` or less).
    """

    names: tuple[str, ...] = ()
    case: Literal["lower", "upper", "keep"] = "keep"
    aliases: dict[str, str] = Field(default_factory=dict)
    enum_spelling: bool = False
    null_words: tuple[str, ...] = ()
    number: bool = False
    compare: Literal["exact", "set", "text", "number"] = "exact"
    same_from: float = Field(default=1.0, gt=0, le=1)
    tolerance: float = Field(default=0.0, ge=0)

    @model_validator(mode="after")
    def _used(self) -> Self:
        if self.same_from != 1 and self.compare != "text":
            raise ValueError("`same_from` is for `compare: text`; remove it")
        if self.tolerance and self.compare != "number":
            raise ValueError("`tolerance` is for `compare: number`; remove it")
        return self


class DerivedLabel(Settings):
    """A label that no key carries: the first of the `labels` whose values an answer has, or `otherwise`.

    Where answers are objects, a label has the values of some keys, as in `refused: {answer: I do not know.}`.
    Where answers are texts, it has the text.
    """

    labels: dict[str, Any] = Field(default_factory=dict)
    otherwise: str


class Refusal(Settings):
    """The sentence that means that there is no answer.

    Where answers are objects, `key` holds it, and `others` has the values of other keys in a refusal.
    `variants` are regular expressions of whole sentences that mean the same. A reply that has one of them
    beside other words is no answer.
    """

    text: str = Field(pattern=r"\w")
    key: str | None = None
    others: dict[str, Any] = Field(default_factory=dict)
    variants: tuple[str, ...] = ()

    @field_validator("variants")
    @classmethod
    def _expressions(cls, variants: tuple[str, ...]) -> tuple[str, ...]:
        for variant in variants:
            try:
                regex.compile(variant)
            except regex.error as error:
                raise ValueError(f"{variant!r} is not a regular expression ({error})") from None
            if regex.fullmatch(variant, "") is not None:
                raise ValueError(f"{variant!r} matches a text without words; name some")
        return variants


class Citations(Settings):
    """Which parts of its input an answer cites.

    `key` lists their numbers. `passages` is a regular expression with two groups that finds the parts in the
    input: the number and the text.
    """

    key: str
    passages: str

    @field_validator("passages")
    @classmethod
    def _two_groups(cls, pattern: str) -> str:
        return with_groups(pattern, 2, "the number and the text of a passage")


class Normalisation(Settings):
    """`normalise.yaml`: how a reply becomes an answer, and when two answers are the same.

    `label` is the key that carries it, or a rule. `scored` has the keys that are compared beside it, with the
    names of their metrics. `python` reads objects in Python's notation too.
    """

    format: Literal["text", "json"]
    label: str | DerivedLabel | None = None
    scored: dict[str, str] = Field(default_factory=dict)
    confidence: str | None = None
    refusal: Refusal | None = None
    citations: Citations | None = None
    pattern: str | None = None
    python: bool = False
    value: ValueRules = ValueRules()
    keys: dict[str, ValueRules] = Field(default_factory=dict)

    @field_validator("pattern")
    @classmethod
    def _one_group(cls, pattern: str | None) -> str | None:
        return None if pattern is None else with_groups(pattern, 1, "the answer")


def with_groups(pattern: str, count: int, meaning: str) -> str:
    """The pattern. Raises ValueError unless it is a regular expression with that number of groups."""
    try:
        groups = regex.compile(pattern).groups
    except regex.error as error:
        raise ValueError(f"not a regular expression ({error})") from None
    if groups != count:
        number = "one group" if count == 1 else f"{count} groups"
        raise ValueError(f"must have exactly {number}, {meaning}")
    return pattern
