"""What a JSON Schema says about one value: its types and its enum, and a value as the schema types it.

Two spellings of one value (`"1"`, `1.0` and `1` for an integer) must not become two classes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

# Above this, a float does not hold every integer, so `1e300` is not written as 301 digits.
_EXACT_INTEGERS = 2**53
_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,4})?", re.ASCII)
# A chain of references that is longer than this is a circle.
_LONGEST_CHAIN = 20


@dataclass(frozen=True)
class Shape:
    """The types that a value may have and the values of its enum; None if the schema does not limit them."""

    types: frozenset[str] | None
    enum: tuple[Any, ...] | None

    @property
    def texts(self) -> tuple[str, ...]:
        """The texts of the enum."""
        return tuple(value for value in self.enum or () if isinstance(value, str))

    def allows_text(self) -> bool:
        """Whether a value may be a text."""
        return self.types is None or "string" in self.types

    def has(self, value: object) -> bool:
        """Whether the enum has the value, or there is no enum."""
        return self.enum is None or any(_equal(value, member) for member in self.enum)


def shape_of(node: object, root: dict[str, Any], chain: int = 0) -> Shape:
    """The shape that a schema's `node` gives a value; `root` is the schema, into which references point."""
    if not isinstance(node, dict) or chain > _LONGEST_CHAIN:
        return Shape(None, None)
    shape = _own_shape(node)
    parts = [shape_of(part, root, chain + 1) for part in node.get("allOf", ())]
    if isinstance(node.get("$ref"), str):
        parts.append(shape_of(_target(node["$ref"], root), root, chain + 1))
    for name in ("anyOf", "oneOf"):
        if name in node:
            parts.append(_union([shape_of(part, root, chain + 1) for part in node[name]]))
    for part in parts:
        shape = Shape(
            part.types if shape.types is None else shape.types,
            part.enum if shape.enum is None else shape.enum,
        )
    return shape


def node_of(node: object, root: dict[str, Any]) -> dict[str, Any]:
    """The node behind references: `properties` and `items` of nested values."""
    for _ in range(_LONGEST_CHAIN):
        if not isinstance(node, dict):
            return {}
        if not isinstance(node.get("$ref"), str):
            return node
        node = _target(node["$ref"], root)
    return {}


def in_schema_order(value: Any, node: object, root: dict[str, Any]) -> Any:  # noqa: ANN401
    """A value whose objects have their keys in the order in which the schema's `node` names them. Keys that
    it does not name come last, in their own order."""
    parts = _parts(node, root)
    if isinstance(value, dict):
        named = [part["properties"] for part in parts if isinstance(part.get("properties"), dict)]
        # Of alternatives, the one that names all keys.
        named.sort(key=lambda properties: not value.keys() <= properties.keys())
        nodes = {key: part for properties in reversed(named) for key, part in properties.items()}
        order = dict.fromkeys(key for properties in named for key in properties)
        keys = [*(key for key in order if key in value), *(key for key in value if key not in order)]
        return {key: in_schema_order(value[key], nodes.get(key), root) for key in keys}
    if isinstance(value, list):
        items = next((part["items"] for part in parts if "items" in part), None)
        return [in_schema_order(item, items, root) for item in value]
    return value


def _parts(node: object, root: dict[str, Any], chain: int = 0) -> list[dict[str, Any]]:
    """A node behind references, and all that it combines."""
    inner = node_of(node, root)
    if chain > _LONGEST_CHAIN:
        return []
    combined = [part for name in ("allOf", "anyOf", "oneOf") for part in inner.get(name, ())]
    return [inner, *(deeper for part in combined for deeper in _parts(part, root, chain + 1))]


def typed(value: Any, shape: Shape, prefer_number: bool = False) -> Any:  # noqa: ANN401
    """A scalar with the type that the schema gives it; unchanged if that is not possible without a guess.

    A text becomes a number, a boolean or null only where the schema allows no text, or if `prefer_number`.
    """
    if isinstance(value, str) and (prefer_number or not shape.allows_text()):
        value = _from_text(value, shape)
    if is_number(value):
        if shape.types is not None and "boolean" in shape.types and not shape.types & {"number", "integer"}:
            return bool(value) if value in (0, 1) else value
        return _canonical_number(value, shape)
    return value


def _from_text(text: str, shape: Shape) -> Any:  # noqa: ANN401
    word = text.strip().casefold()
    types = shape.types or frozenset()
    if "boolean" in types and word in ("true", "false"):
        return word == "true"
    if "null" in types and word in ("null", "none"):
        return None
    if _NUMBER.fullmatch(word) and (shape.types is None or not types <= {"null", "array", "object"}):
        number = _read_number(word)
        return text if number is None else number
    return text


def _read_number(word: str) -> int | float | None:
    number = float(word)
    if number in (float("inf"), float("-inf")):
        return None
    return int(word) if word.lstrip("+-").isdigit() else number


def _canonical_number(value: int | float, shape: Shape) -> int | float:
    for member in shape.enum or ():
        if is_number(member) and member == value:
            return member  # type: ignore[no-any-return]
    if isinstance(value, float) and value.is_integer() and abs(value) < _EXACT_INTEGERS:
        return int(value)
    return value


def is_number(value: object) -> bool:
    """Whether a value is a number of JSON, in which `true` is none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _equal(left: object, right: object) -> bool:
    """Equality of JSON, in which `true` is not 1."""
    return isinstance(left, bool) == isinstance(right, bool) and left == right


def _own_shape(node: dict[str, Any]) -> Shape:
    enum = (node["const"],) if "const" in node else tuple(node["enum"]) if "enum" in node else None
    named = node.get("type")
    if named is not None:
        types = frozenset([named] if isinstance(named, str) else named)
        # These types have so few values that they are an enum, which makes the union with one a closed list.
        closed: dict[str, tuple[Any, ...]] = {"null": (None,), "boolean": (True, False)}
        if enum is None and types <= closed.keys():
            enum = tuple(value for name in sorted(types) for value in closed[name])
        return Shape(types, enum)
    return Shape(None if enum is None else frozenset(_type_of(value) for value in enum), enum)


def _type_of(value: object) -> str:
    kinds = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object"}
    return kinds.get(type(value), "null")


def _union(parts: list[Shape]) -> Shape:
    types = [part.types for part in parts]
    enums = [part.enum for part in parts]
    return Shape(
        None if None in types else frozenset(name for part in types for name in part or ()),
        None if None in enums else tuple(value for part in enums for value in part or ()),
    )


def _target(reference: str, root: dict[str, Any]) -> object:
    """What a reference inside the schema points to; an empty node for one that leads out of it."""
    node: object = root
    if not reference.startswith("#"):
        return {}
    for part in reference[1:].split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        if isinstance(node, dict) and name in node:
            node = node[name]
        else:
            return {}
    return node
