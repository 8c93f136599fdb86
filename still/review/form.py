"""The form of an answer: the schema in, a field for each key out; what was typed in, an answer out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from promptstill.answers.schema.form import ANY_TEXT
from promptstill.answers.schema.rules import DerivedLabel
from promptstill.answers.schema.shape import is_number, node_of, shape_of
from promptstill.answers.spec import AnswerSpec
from promptstill.console.errors import UserError
from promptstill.rows.row import Answer

Kind = Literal["choice", "text", "number", "numbers", "json"]
# In the place of a value that the answer does not have.
NOTHING = ""


@dataclass(frozen=True)
class Field:
    """The field of a key: what kind it is, what is in it, and what it offers. The key of a text answer is the
    empty text. Texts that are chosen are written as they are, other values as JSON."""

    key: str
    kind: Kind
    value: str
    choices: tuple[str, ...] = ()


def fields_of(answer: Answer | None, spec: AnswerSpec) -> list[Field]:
    """The fields of an answer, in the order of the schema; empty ones for none."""
    if spec.rules.format == "text":
        return [_field("", spec.schema, answer, spec)]
    values = answer if isinstance(answer, dict) else {}
    return [_field(key, node, values.get(key), spec) for key, node in spec.schema["properties"].items()]


def _field(key: str, node: object, value: Any, spec: AnswerSpec) -> Field:  # noqa: ANN401
    shape = shape_of(node, spec.schema)
    if shape.enum is not None:
        optional = [] if key == "" or key in spec.schema.get("required", ()) else [NOTHING]
        offered = (*map(_shown, shape.enum), *optional)
        return Field(key, "choice", _shown(value) if _shown(value) in offered else NOTHING, offered)
    types = (shape.types or frozenset({"object"})) - {"null"}
    if types == {"string"}:
        return Field(key, "text", NOTHING if value is None else str(value))
    if types and types <= {"number", "integer"}:
        return Field(key, "number", _json(value) if is_number(value) else NOTHING)
    if types == {"array"} and _of_numbers(node, spec) and isinstance(value, list | None):
        return Field(key, "numbers", ", ".join(map(_json, value or ())))
    return Field(key, "json", NOTHING if value is None else _json(value))


def answer_of(typed: Mapping[str, str], base: Answer | None, spec: AnswerSpec) -> Answer:
    """The answer of a form whose names are `field:` and the key. What nobody has changed stays as it is in
    the answer `base`. Raises UserError for an answer that is none."""
    values: dict[str, Any] = dict(base) if isinstance(base, dict) else {} if base is None else {"": base}
    for field in fields_of(base, spec):
        text = _lines(typed.get(f"field:{field.key}", field.value))
        if field.key in values and text == _lines(field.value):
            continue
        node = spec.schema if field.key == "" else spec.schema["properties"][field.key]
        if text.strip() == NOTHING and field.key not in spec.schema.get("required", ()) and field.key:
            values.pop(field.key, None)
        else:
            values[field.key] = _read(field, text, node, spec)
    if spec.rules.format == "json":
        values.pop("", None)
    value = values.get("") if spec.rules.format == "text" else values
    if value in (None, NOTHING):
        raise UserError("not saved: the answer is empty; fill it in, or reject the row")
    parsed = spec.of_value(value)
    if parsed.answer is None:
        raise UserError(f"not saved: the answer is not valid, {parsed.problem} ({parsed.detail}); correct it")
    return parsed.answer


def is_changed(typed: Mapping[str, str], base: Answer | None, spec: AnswerSpec) -> bool:
    """Whether a form has another value than the answer `base` in one of its fields."""
    return any(
        _lines(typed.get(f"field:{field.key}", field.value)) != _lines(field.value)
        for field in fields_of(base, spec)
    )


def _read(field: Field, text: str, node: object, spec: AnswerSpec) -> Any:  # noqa: ANN401
    shape = shape_of(node, spec.schema)
    if field.kind == "choice":
        return next((value for value in shape.enum or () if _shown(value) == text), text)
    if field.kind == "text":
        return None if text == NOTHING and "null" in (shape.types or ()) else text
    if text.strip() == NOTHING:
        return [] if field.kind == "numbers" and "null" not in (shape.types or ()) else None
    try:
        return json.loads(f"[{text}]" if field.kind == "numbers" else text)
    except (ValueError, RecursionError):
        raise UserError(
            f"not saved: {field.key or 'the answer'}: {text[:40]!r} cannot be read; correct it"
        ) from None


def _of_numbers(node: object, spec: AnswerSpec) -> bool:
    types = shape_of(node_of(node, spec.schema).get("items"), spec.schema).types
    return types is not None and types <= {"integer", "number"}


def labels_of(spec: AnswerSpec) -> tuple[str, ...]:
    """The labels that a reviewer can choose by number: those that the schema lists, or those of a rule that
    say all of the answer."""
    rule = spec.rules.label
    if isinstance(rule, DerivedLabel):
        return tuple(
            label for label, values in rule.labels.items() if spec.of_value(values).answer is not None
        )
    values = spec.label_shape.enum or ()
    return () if values == (ANY_TEXT,) else tuple(map(_shown, values))


def with_label(answer: Answer | None, label: str, spec: AnswerSpec) -> Answer:
    """The answer with another label, its other values as they are. Raises UserError if that is no answer, so
    that the form has to be filled in."""
    rule = spec.rules.label
    value: Any
    if label not in labels_of(spec):
        raise UserError(f"not saved: {label[:40]!r} is not a label; reload the page")
    if isinstance(rule, DerivedLabel):
        value = rule.labels[label]
    elif rule is None:
        value = label
    else:
        chosen = next(member for member in spec.label_shape.enum or () if _shown(member) == label)
        value = {**(answer if isinstance(answer, dict) else {}), rule: chosen}
    parsed = spec.of_value(value)
    if parsed.answer is None:
        raise UserError(f"not saved: {label} alone is no answer ({parsed.detail}); fill in the form")
    return parsed.answer


def _lines(text: str) -> str:
    """The text as a browser sends it, whatever ends its lines."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _shown(value: Any) -> str:  # noqa: ANN401
    return value if isinstance(value, str) else _json(value)


def _json(value: Any) -> str:  # noqa: ANN401
    return json.dumps(value, ensure_ascii=False)
