"""An answer as a student writes it: one short piece for each key that an answer leaves open.

Fixed text teaches nothing, and the tokens of an answer that decide drown in it. So a student learns only the
values, the label first, and code writes the JSON around them. The stated confidence is not learnt: it is the
probability of the answer. Training, scoring and serving use this one description.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from promptstill.answers.schema.form import AnswerForm
from promptstill.answers.schema.shape import in_schema_order, is_number, shape_of
from promptstill.console.errors import UserError
from promptstill.rows.row import Answer

# The piece of an optional key that an answer does not have.
ABSENT = ""
# A confidence is stated in steps of a hundredth.
FRACTIONS, PERCENTAGES = (0, *(i / 100 for i in range(1, 100)), 1), tuple(range(101))


@dataclass(frozen=True)
class Slot:
    """What an answer has at one key: one of `values`, or anything that the schema allows if that is None.

    The key of a text answer is the empty text. `pieces` are the texts of the values, all different. An
    `optional` key may be absent. One that may also be null is not optional: absent and null are compared as
    equal, so the student writes null for both.
    """

    key: str
    values: tuple[Any, ...] | None
    optional: bool

    @cached_property
    def pieces(self) -> tuple[str, ...]:
        """The texts between which the student chooses: values in their order, then the absence of the key."""
        values = self.values or ()
        quoted = {_json(value) for value in values}
        return (
            *(_json(value) if _needs_quotes(value, quoted) else value for value in values),
            *((ABSENT,) if self.optional else ()),
        )

    def piece(self, value: Any) -> str:  # noqa: ANN401
        """The text of one of the values."""
        return self.pieces[self._places[_identity(value)]]

    @cached_property
    def _places(self) -> dict[str, int]:
        return {_identity(value): i for i, value in enumerate(self.values or ())}

    @property
    def closed(self) -> bool:
        """Whether the schema lists the values."""
        return self.values is not None


class Script:
    """The pieces of every answer of a task, in the order in which a student writes them."""

    def __init__(self, form: AnswerForm) -> None:
        """Raises UserError if the schema leaves nothing open that a student could learn."""
        self._form = form
        self._json = form.rules.format == "json"
        self._order = tuple(form.schema.get("properties", {})) if self._json else ("",)
        self._all = {key: self._slot(key) for key in self._order}
        self._stated, self._computed = self._confidence()
        self._fixed = {key for key, slot in self._all.items() if slot.closed and len(slot.pieces) == 1}
        left_out = self._fixed | {self._computed}
        order = dict.fromkeys([*(key for key in form.scored if self._json), *self._order])
        self.slots = tuple(self._all[key] for key in order if key not in left_out)
        if not self.slots:
            raise UserError(
                "answer.schema.json: allows a single answer, so there is nothing to learn; list its values"
            )

    def pieces(self, answer: Answer) -> list[str]:
        """The texts that the student writes for an answer, one for each slot."""
        return [self._piece(slot, answer) for slot in self.slots]

    def answer(self, pieces: Sequence[str], confidence: float) -> Answer:
        """The answer that pieces stand for, in canonical form. `confidence` is the probability that it is
        right.

        Raises ValueError for a piece that stands for no value.
        """
        values = {
            slot.key: _value(slot, piece, quoted=self._json)
            for slot, piece in zip(self.slots, pieces, strict=True)
            if not (slot.optional and piece == ABSENT)
        }
        if not self._json:
            return str(values[""])
        values |= {
            key: (self._all[key].values or ())[0] for key in self._fixed if not self._all[key].optional
        }
        if self._stated is not None:
            values[str(self._computed)] = self._stated(confidence)
        return {key: values[key] for key in self._order if key in values}

    def _slot(self, key: str) -> Slot:
        node = self._node(key)
        allowed = self._form.validator.evolve(schema=node)
        required = key in {self._form.rules.label, *self._form.schema.get("required", ())}
        optional = self._json and not required and not allowed.is_valid(None)
        enum = shape_of(node, self._form.schema).enum
        if enum is None:
            return Slot(key, None, optional)
        values = (
            value for value in enum if allowed.is_valid(value) and (self._json or isinstance(value, str))
        )
        distinct: dict[str, Any] = {}
        for value in values:
            distinct.setdefault(_identity(value), value)
        return Slot(key, tuple(distinct.values()), optional)

    def _node(self, key: str) -> Any:  # noqa: ANN401
        """The part of the schema that a key's value must obey."""
        return self._form.schema["properties"][key] if self._json else self._form.schema

    def _confidence(self) -> tuple[Callable[[float], int | float] | None, str | None]:
        """How a probability is stated, and the key that states it; None if no key does, or if it is learnt.

        It is stated as the nearest number that the schema allows. It is learnt if a metric scores it, or if
        its values are no shares and no percentages.
        """
        key = self._form.rules.confidence
        if not self._json or key is None or key in self._form.scored:
            return None, None
        allowed = self._form.validator.evolve(schema=self._node(key)).is_valid
        whole, numbers = _listed_scale(self._all[key]) if self._all[key].closed else _scale(allowed)
        if not numbers:
            return None, None
        return lambda p: min(numbers, key=lambda value: (abs(value - whole * p), value)), key

    def _piece(self, slot: Slot, answer: Answer) -> str:
        value = answer if isinstance(answer, str) else answer.get(slot.key)
        if slot.optional and slot.key not in answer:
            return ABSENT
        if slot.values is not None:
            return slot.piece(value)
        if isinstance(answer, str):
            return answer
        return json.dumps(in_schema_order(value, self._node(slot.key), self._form.schema), ensure_ascii=False)


def _listed_scale(slot: Slot) -> tuple[int, list[int | float]]:
    """What a probability of 1 is on the scale of listed numbers, and these numbers; none if it is unknown."""
    numbers = [value for value in slot.values or () if is_number(value)]
    lowest, highest = min(numbers, default=-1), max(numbers, default=-1)
    if lowest < 0 or not (highest <= 1 or highest == 100):
        return 1, []
    return (1 if highest <= 1 else 100), numbers


def _scale(allowed: Callable[[Any], bool]) -> tuple[int, list[int | float]]:
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


def _value(slot: Slot, piece: str, quoted: bool) -> Any:  # noqa: ANN401
    if slot.values is not None:
        return slot.values[slot.pieces.index(piece)]
    return json.loads(piece) if quoted else piece


def _json(value: Any) -> str:  # noqa: ANN401
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def _identity(value: Any) -> str:  # noqa: ANN401
    """A text that equal values of JSON share: 1 and 1.0 are equal, 1 and true are not."""
    return json.dumps(_with_integers(value), sort_keys=True)


def _with_integers(value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, dict):
        return {key: _with_integers(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_with_integers(part) for part in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _needs_quotes(value: Any, quoted: set[str]) -> bool:  # noqa: ANN401
    """Whether a value cannot stand bare: it is no text, or its bare text would be read as something else."""
    if not isinstance(value, str) or value in quoted:
        return True
    return not value or value != value.strip() or any(unicodedata.category(sign) == "Cc" for sign in value)
