"""The references of a schema: each must lead to a part of the schema, and not back to itself.

The library follows a reference only when it checks an answer, which is after the teacher was paid.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from referencing import Registry, Resource
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012

from promptstill.console.errors import UserError

# The library knows the schemas of schemas.
_META = "https://json-schema.org/"


def check_references(schema: dict[str, Any], path: Path) -> None:
    """Raise UserError naming the schema and the first reference that leads nowhere, out of the file, or in a
    circle."""
    resource = DRAFT202012.create_resource(schema)
    resolver = Registry().with_resource(resource.id() or "", resource).resolver(resource.id() or "")
    waiting, seen = [(resource, resolver)], set()
    while waiting:
        part, at = waiting.pop()
        if id(part.contents) in seen:
            continue
        seen.add(id(part.contents))
        waiting += [(sub, at.in_subresource(sub)) for sub in part.subresources()]
        waiting += _targets(part, at, path)


def _targets(part: Resource[Any], resolver: Any, path: Path) -> list[tuple[Resource[Any], Any]]:  # noqa: ANN401
    """The parts that the reference of a part leads to, one after another."""
    targets: list[tuple[Resource[Any], Any]] = []
    chain = [part.contents]
    while isinstance(chain[-1], dict) and isinstance(reference := chain[-1].get("$ref"), str):
        if reference.startswith(_META):
            break
        try:
            resolved = resolver.lookup(reference)
        except Unresolvable:
            raise UserError(
                f"{path}: $ref {reference!r}: leads to nothing in this file; correct it, or add the "
                "definition under $defs"
            ) from None
        if any(resolved.contents is passed for passed in chain):
            raise UserError(f"{path}: $ref {reference!r}: leads back to itself; name a definition")
        chain.append(resolved.contents)
        resolver = resolved.resolver
        if isinstance(resolved.contents, dict):
            targets.append((DRAFT202012.create_resource(resolved.contents), resolver))
    return targets
