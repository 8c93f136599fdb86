"""The references of a schema: each must lead to a part of the schema, and not back to itself.

The library follows a reference only when it checks an answer, which is after the teacher was paid.
"""

from __future__ import annotations

from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator, SchemaError
from referencing import Registry, Resource
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012

from promptstill.console.errors import UserError

# The library knows the schemas of schemas.
_META = "https://json-schema.org/"
# Keywords whose schemas check the same value as the schema that has them. The others, such as `items`, check
# parts of the value, so a circle through them ends with the value.
_LISTS = ("allOf", "anyOf", "oneOf")
_SINGLE = ("not", "if", "then", "else")


def check_references(schema: dict[str, Any], path: Path) -> None:
    """Raise UserError naming the schema and the first reference that leads nowhere, out of the file, or in a
    circle, directly or through schemas such as those of `allOf`."""
    resource = DRAFT202012.create_resource(schema)
    resolver = Registry().with_resource(resource.id() or "", resource).resolver(resource.id() or "")
    waiting = [(resource, resolver)]
    # By the identity of a part: the parts that check the same value, and the reference with its target.
    same_value: dict[int, list[int]] = {}
    references: dict[int, tuple[str, int]] = {}
    while waiting:
        part, at = waiting.pop()
        name = id(part.contents)
        if name in same_value or not isinstance(part.contents, dict):
            continue
        same_value[name] = [id(sub) for sub in _about_the_same_value(part.contents)]
        waiting += [(sub, at.in_subresource(sub)) for sub in part.subresources()]
        reference = part.contents.get("$ref")
        if reference is not None and not reference.startswith(_META):
            target = _target(reference, at, path)
            references[name] = reference, id(target[0].contents)
            same_value[name].append(id(target[0].contents))
            waiting.append(target)
    _refuse_circles(same_value, references, path)


def _about_the_same_value(schema: dict[str, Any]) -> Iterator[Any]:
    """The schemas in a schema that check the same value as it."""
    yield from (schema[keyword] for keyword in _SINGLE if keyword in schema)
    yield from schema.get("dependentSchemas", {}).values()
    for keyword in _LISTS:
        yield from schema.get(keyword, [])


def _target(reference: str, resolver: Any, path: Path) -> tuple[Resource[Any], Any]:  # noqa: ANN401
    """The part that a reference leads to, with the resolver of its own references."""
    try:
        resolved = resolver.lookup(reference)
        Draft202012Validator.check_schema(resolved.contents)
    except (Unresolvable, SchemaError) as error:
        nothing = "no schema" if isinstance(error, SchemaError) else "nothing in this file"
        raise UserError(
            f"{path}: $ref {reference!r}: leads to {nothing}; correct it, or add the definition under $defs"
        ) from None
    return DRAFT202012.create_resource(resolved.contents), resolved.resolver


def _refuse_circles(
    same_value: dict[int, list[int]], references: dict[int, tuple[str, int]], path: Path
) -> None:
    try:
        TopologicalSorter(same_value).prepare()
    except CycleError as error:
        # In the circle, each part leads to the one before it, and at least one does so by its reference.
        steps = pairwise(error.args[1])
        first, *others = [references[part][0] for to, part in steps if references.get(part, ("", 0))[1] == to]
        through = f" through {', '.join(others)}" if others else ""
        raise UserError(
            f"{path}: $ref {first!r}: leads back to itself{through}; name a definition that does not refer "
            "to it"
        ) from None
