"""An answer as a student writes it: one short piece for each key that an answer leaves open.

Fixed text teaches nothing, and the tokens of an answer that decide drown in it. So a student learns only the
values, the label first, and code writes the JSON around them. A derived label that decides a free value, such
as whether the answer is a refusal, is written first too, and what it implies is not. The stated confidence is
not learnt: it is the probability of the answer. Training, scoring and serving use this one description.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from promptstill.answers.schema.form import AnswerForm
from promptstill.answers.schema.rules import DerivedLabel
from promptstill.answers.schema.scale import listed_scale, scale
from promptstill.answers.schema.shape import in_schema_order, shape_of
from promptstill.console.errors import UserError
from promptstill.rows.row import Answer

# The piece of an optional key that an answer does not have.
ABSENT = ""
# In the place of a key: a derived label, which is no part of the answer.
LABEL = "(label)"


@dataclass(frozen=True)
class Slot:
    """What an answer has at one key: one of `values`, or anything that the schema allows if that is None.

    The key of a text answer is the empty text, and that of a derived label is `LABEL`. `pieces` are the texts
    of the values, all different. An `optional` key may be absent. One that may also be null is not optional:
    absent and null are compared as equal, so the student writes null for both. `implied` has the piece that
    a derived label leaves no choice about, by the label; the student does not write it.
    """

    key: str
    values: tuple[Any, ...] | None
    optional: bool
    implied: Mapping[str, str] = field(default_factory=dict)

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
        self._label = self._label_slot()
        if self._label is not None:
            self._all = {key: replace(slot, implied=self._implied(slot)) for key, slot in self._all.items()}
        self._stated, self._computed = self._confidence()
        self._fixed = {key for key, slot in self._all.items() if slot.closed and len(slot.pieces) == 1}
        left_out = self._fixed | {self._computed}
        order = dict.fromkeys([*(key for key in form.scored if self._json), *self._order])
        written = [self._all[key] for key in order if key not in left_out]
        self.slots = tuple(written if self._label is None else [self._label, *written])
        if not self.slots:
            raise UserError(
                "answer.schema.json: allows a single answer, so there is nothing to learn; list its values"
            )

    @property
    def scored(self) -> tuple[str, ...]:
        """The keys of the slots that a metric compares."""
        return (LABEL, "", *self._form.scored)

    def place(self, key: str) -> int:
        """The position of a key's slot."""
        return [slot.key for slot in self.slots].index(key)

    def pieces(self, answer: Answer) -> list[str]:
        """The texts of an answer, one for each slot."""
        return [self._piece(slot, answer) for slot in self.slots]

    def written(self, pieces: Sequence[str]) -> list[bool]:
        """Which of an answer's pieces the student writes: all but those that its derived label implies."""
        return [pieces[0] not in slot.implied for slot in self.slots]

    def answer(self, pieces: Sequence[str], confidence: float) -> Answer:
        """The answer with these pieces, in canonical form. `confidence` is the probability that it is right.

        Raises ValueError for a piece that no value has.
        """
        values = {
            slot.key: _value(slot, piece, quoted=self._json)
            for slot, piece in zip(self.slots, pieces, strict=True)
            if slot.key != LABEL and not (slot.optional and piece == ABSENT)
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
        required = key == self._form.label_key or key in self._form.schema.get("required", ())
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

    def _label_slot(self) -> Slot | None:
        """The slot of a derived label; None if it decides no free value, because it is then known from the
        values alone."""
        rule = self._form.rules.label
        if not isinstance(rule, DerivedLabel):
            return None
        decided = {key for label in rule.labels for key in self._values_of(label)}
        if all(slot.closed for key, slot in self._all.items() if key in decided):
            return None
        return Slot(LABEL, (*rule.labels, rule.otherwise), optional=False)

    def _values_of(self, label: str) -> dict[str, Any]:
        """The values of the keys that a derived label implies."""
        rule = self._form.rules.label
        assert isinstance(rule, DerivedLabel)
        values = rule.labels.get(label, {})
        return values if isinstance(values, dict) else {"": values}

    def _implied(self, slot: Slot) -> dict[str, str]:
        """The piece of a slot by the piece of the label that implies it."""
        rule, label_slot = self._form.rules.label, self._label
        assert isinstance(rule, DerivedLabel) and label_slot is not None
        return {
            label_slot.piece(label): self._piece(slot, values if self._json else values[""])
            for label in rule.labels
            if slot.key in (values := self._values_of(label))
        }

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
        values = self._all[key].values
        whole, numbers = scale(allowed) if values is None else listed_scale(values)
        if not numbers:
            return None, None
        return lambda p: min(numbers, key=lambda value: (abs(value - whole * p), value)), key

    def _piece(self, slot: Slot, answer: Answer) -> str:
        if slot.key == LABEL:
            return slot.piece(self._form.label(answer))
        value = answer if isinstance(answer, str) else answer.get(slot.key)
        if slot.optional and slot.key not in answer:
            return ABSENT
        if slot.values is not None:
            return slot.piece(value)
        if isinstance(answer, str):
            return answer
        return json.dumps(in_schema_order(value, self._node(slot.key), self._form.schema), ensure_ascii=False)


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
