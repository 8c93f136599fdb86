"""One value of an answer: from what a model wrote to what the schema calls it, with the repairs it took."""

from __future__ import annotations

import re
from functools import cached_property
from typing import Any

from promptstill.answers.schema.rules import ValueRules
from promptstill.answers.schema.shape import Shape, is_number, node_of, shape_of, typed
from promptstill.answers.spelling import Spellings, without_case, without_separators
from promptstill.core.files import canonical_json

AS_WRITTEN = ValueRules()
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?", re.ASCII)
# Numbers in brackets or without, between commas, semicolons, spaces and `and`; or nothing but brackets.
_NUMBERS = re.compile(
    rf"[\s\[(]*+(?:{_NUMBER.pattern}(?:[\s\[\](),;&]++(?:and[\s\[(]++)?{_NUMBER.pattern})*+)?[\s\])]*+",
    re.ASCII,
)


class ValueReader:
    """Brings the values of one key into canonical form."""

    def __init__(self, rules: ValueRules, node: object, root: dict[str, Any]) -> None:
        """`node` is the part of the schema `root` that describes the value."""
        self.rules, self.shape = rules, shape_of(node, root)
        self._node, self._root = node_of(node, root), root
        self._aliases = {self._in_case(alias): target for alias, target in rules.aliases.items()}
        self._null_words = {word.casefold() for word in rules.null_words}
        self._spellings: Spellings | None = None
        if rules.enum_spelling:
            known = {text: text for text in self.listed.texts} | self._aliases
            self._spellings = Spellings(known, (without_case, without_separators))

    def read(self, value: Any, repairs: set[str]) -> Any:  # noqa: ANN401
        """The canonical value. The names of the repairs that it took are added to `repairs`.

        Items of a list are read by the same rules; members of an object take the schema's types only. A list
        that is compared as a set has each item once, in ascending order.
        """
        if self._items is not None and self.shape.types == frozenset({"array"}):
            value = self._as_list(value, repairs)
        if isinstance(value, str):
            value = self._text(value.strip(), repairs)
        elif isinstance(value, list) and self._items is not None:
            items = [self._items.read(item, repairs) for item in value]
            return self._as_set(items, repairs) if self.rules.compare == "set" else items
        elif isinstance(value, dict):
            members = self._members
            return {
                key: members[key].read(item, repairs) if key in members else item
                for key, item in value.items()
            }
        result = typed(value, self.shape, self.rules.number)
        # `1.0` and `1` are one number of JSON; `true` is none.
        if result != value or isinstance(result, bool) != isinstance(value, bool):
            repairs.add("value_type")
        return result

    @cached_property
    def listed(self) -> Shape:
        """The shape of what the rules are for: of a list's items, or else of the value itself."""
        return self.shape if self._items is None else self._items.listed

    def read_item(self, value: Any) -> Any:  # noqa: ANN401
        """The canonical form of a value, or of an item if the value is a list."""
        return self.read(value, set()) if self._items is None else self._items.read_item(value)

    @cached_property
    def _items(self) -> ValueReader | None:
        items = self._node.get("items")
        return ValueReader(self.rules, items, self._root) if isinstance(items, dict) else None

    @cached_property
    def _members(self) -> dict[str, ValueReader]:
        properties = self._node.get("properties", {})
        return {key: ValueReader(AS_WRITTEN, node, self._root) for key, node in properties.items()}

    def _as_list(self, value: Any, repairs: set[str]) -> Any:  # noqa: ANN401
        """A list of numbers from one number, or from a text such as `1, 3`, `[1]` or `1 and 3`."""
        items = None if self._items is None else self._items.shape.types
        if items is None or not items <= {"integer", "number"}:
            return value
        if is_number(value):
            repairs.add("value_type")
            return [value]
        if isinstance(value, str) and _NUMBERS.fullmatch(value) is not None:
            repairs.add("value_type")
            return _NUMBER.findall(value)
        return value

    def _as_set(self, items: list[Any], repairs: set[str]) -> list[Any]:
        distinct = {canonical_json(item): item for item in items}
        numbers = all(is_number(item) for item in distinct.values())
        ordered = sorted(distinct.values()) if numbers else [distinct[text] for text in sorted(distinct)]
        if len(ordered) < len(items) or ordered != items:
            repairs.add("value_order")
        return ordered

    def _text(self, text: str, repairs: set[str]) -> str | None:
        if text.casefold() in self._null_words:
            repairs.add("null_word")
            return None
        cased = self._in_case(text)
        alias = self._aliases.get(cased)
        if alias is not None:
            repairs.add("value_alias")
            return alias
        spelling = None if self._spellings is None else self._spellings.find(cased)
        if spelling is not None:
            cased = spelling
        if cased != text:
            repairs.add("value_spelling")
        return cased

    def _in_case(self, text: str) -> str:
        return {"lower": text.lower(), "upper": text.upper(), "keep": text}[self.rules.case]
