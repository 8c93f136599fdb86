"""Whether `normalise.yaml` fits `answer.schema.json`: both in, a clear error out if a rule means nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema

from promptstill.answers.schema.rules import DerivedLabel, Normalisation, ValueRules
from promptstill.answers.schema.shape import shape_of
from promptstill.console.errors import UserError

# The JSON types that values must be able to have for a comparison.
COMPARED = {"set": {"array"}, "text": {"string"}, "number": {"number", "integer"}}


def check_rules(rules: Normalisation, schema: dict[str, Any], rules_path: Path, schema_path: Path) -> None:
    """Raise UserError naming the rule and what the schema has instead."""
    problem = next(_problems(rules, schema, str(schema_path)), None)
    if problem is not None:
        raise UserError(f"{rules_path}: {problem}")


def _problems(rules: Normalisation, schema: dict[str, Any], schema_path: str) -> Iterator[str]:
    label = rules.label
    if isinstance(label, DerivedLabel) and label.otherwise in label.labels:
        yield f"label.otherwise: {label.otherwise!r} is one of the labels already; use another name"
    if rules.format == "json":
        yield from _of_keys(rules, schema, schema_path)
    else:
        yield from _of_text(rules, schema, schema_path)


def _of_text(rules: Normalisation, schema: dict[str, Any], schema_path: str) -> Iterator[str]:
    for place, key in _named(rules):
        yield f"{place}: a text has no key {key!r}; remove it, or use `format: json`"
    if isinstance(rules.label, DerivedLabel):
        for name, value in rules.label.labels.items():
            if not isinstance(value, str):
                yield f"label.labels.{name}: must be the text of such an answer"
    if rules.refusal is not None:
        yield from _invalid("refusal.text", rules.refusal.text, schema, schema, schema_path)
    yield from _compared("value", rules.value, schema, schema, schema_path)


def _of_keys(rules: Normalisation, schema: dict[str, Any], schema_path: str) -> Iterator[str]:
    properties = schema.get("properties", {})
    for place, key in _named(rules):
        if key not in properties:
            yield f"{place}: {schema_path} has no property {key!r}; name one of its own"
    if rules.label is None:
        yield "label: missing; name the property that carries the label, or write a rule that derives it"
    if isinstance(rules.label, DerivedLabel):
        for name, values in rules.label.labels.items():
            if not isinstance(values, dict) or not values:
                yield f"label.labels.{name}: must name keys of the answer with their values"
                continue
            for key, value in values.items():
                if key not in rules.scored:
                    yield f"label.labels.{name}: {key!r} is not in `scored`; add it there"
                yield from _invalid(
                    f"label.labels.{name}.{key}", value, properties.get(key, False), schema, schema_path
                )
    yield from _of_confidence(rules)
    if rules.refusal is not None:
        if rules.refusal.key is None:
            yield "refusal.key: missing; name the property that holds the sentence"
        for key, value in {str(rules.refusal.key): rules.refusal.text, **rules.refusal.others}.items():
            yield from _invalid(f"refusal, {key}", value, properties.get(key, False), schema, schema_path)
    owner = {name: name for name in properties}
    for key, value in rules.keys.items():
        yield from _compared(f"keys.{key}", value, properties[key], schema, schema_path)
        for name in value.names:
            if owner.setdefault(name, key) != key:
                yield f"keys.{key}.names: {name!r} already names {owner[name]!r}; remove one"


def _of_confidence(rules: Normalisation) -> Iterator[str]:
    """The stated confidence is computed, so no rule can ask for a value of it."""
    places = {"refusal.others": rules.refusal.others} if rules.refusal is not None else {}
    if isinstance(rules.label, DerivedLabel):
        places |= {f"label.labels.{name}": values for name, values in rules.label.labels.items()}
    for place, values in places.items():
        if rules.confidence in values:
            yield f"{place}: {rules.confidence!r} is the confidence, which the student computes; remove it"


def _named(rules: Normalisation) -> Iterator[tuple[str, str]]:
    """The places of the rules that name a property, and the names."""
    if isinstance(rules.label, str):
        yield "label", rules.label
    if isinstance(rules.label, DerivedLabel):
        for label, values in rules.label.labels.items():
            keys = values if isinstance(values, dict) else ()
            yield from ((f"label.labels.{label}", key) for key in keys)
    if rules.confidence is not None:
        yield "confidence", rules.confidence
    if rules.refusal is not None:
        if rules.refusal.key is not None:
            yield "refusal.key", rules.refusal.key
        yield from (("refusal.others", key) for key in rules.refusal.others)
    if rules.citations is not None:
        yield "citations.key", rules.citations.key
    yield from (("scored", key) for key in rules.scored)
    yield from (("keys", key) for key in rules.keys)


def _invalid(
    place: str,
    value: Any,  # noqa: ANN401
    node: Any,  # noqa: ANN401
    schema: dict[str, Any],
    schema_path: str,
) -> Iterator[str]:
    validator = jsonschema.Draft202012Validator(schema)
    if not validator.evolve(schema=node).is_valid(value):
        yield f"{place}: {value!r} is no value by {schema_path}; write one that is, or change the schema"


def _compared(
    place: str,
    rules: ValueRules,
    node: Any,  # noqa: ANN401
    schema: dict[str, Any],
    schema_path: str,
) -> Iterator[str]:
    needed = COMPARED.get(rules.compare)
    types = None if needed is None else shape_of(node, schema).types
    if needed is not None and types is not None and not needed & types:
        yield (
            f"{place}.compare: {rules.compare} compares values of type {' or '.join(sorted(needed))}, and "
            f"{schema_path} allows {', '.join(sorted(types))}; use another comparison"
        )
