"""The objects in a reply, with the parts that look like an object and cannot be read.

A part that cannot be read may be another answer, so it is listed and never skipped silently; what is inside
it is not searched, because an object that is nested in another one is no answer of its own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from promptstill.answers.literal import read_literal
from promptstill.answers.members import RepeatedKeyError, finite, too_deep, unique_members, whole

# A brace opens an object if a quote, a key without quotes or the closing brace follows. Others are prose.
_OPENING = re.compile(r"\{\s*+(?:[\"'}“”„‟‘’«「『\\]|[\w-]++\s*+:)")
_MARK = re.compile(r"\\.|[{}\"']", re.DOTALL)


@dataclass(frozen=True)
class Fragment:
    """`reply[start:end]`, which looks like an object. `value` is None if it cannot be read, `closed` says
    whether its braces balance, and `python` whether only Python's notation reads it."""

    start: int
    end: int
    value: dict[str, Any] | None
    closed: bool = True
    python: bool = False


def fragments(reply: str) -> Iterator[Fragment]:
    """Everything at the top level of a reply that looks like an object, in order.

    Raises RepeatedKeyError for an object in which a key is repeated with different values.
    """
    position = 0
    while (opening := _OPENING.search(reply, position)) is not None:
        fragment = _read(reply, opening.start())
        yield fragment
        position = fragment.end


def _read(reply: str, start: int) -> Fragment:
    try:
        value, end = _DECODER.raw_decode(reply, start)
        python = False
    except RepeatedKeyError:
        raise
    except (ValueError, RecursionError):
        try:
            value, end = read_literal(reply, start)
            python = True
        except RepeatedKeyError:
            raise
        except ValueError:
            return _unread(reply, start)
    return _unread(reply, start) if too_deep(value) else Fragment(start, end, value, python=python)


def _unread(reply: str, start: int) -> Fragment:
    """The part up to the brace that closes it, or the rest of the reply."""
    depth, quote = 0, ""
    for match in _MARK.finditer(reply, start):
        mark = match.group()
        if quote:
            quote = "" if mark == quote else quote
        elif mark in ('"', "'"):
            quote = mark
        elif mark == "{":
            depth += 1
        elif mark == "}":
            depth -= 1
            if depth == 0:
                return Fragment(start, match.end(), None)
    return Fragment(start, len(reply), None, closed=False)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


_DECODER = json.JSONDecoder(
    object_pairs_hook=unique_members, parse_constant=_refuse_constant, parse_float=finite, parse_int=whole
)
