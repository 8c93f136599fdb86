"""The leak certificate: what any two of train, validation, test and golden share, and how near they come."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import Any

from stages.shared.files import Row
from stages.shared.ngrams import nearest_text_between
from stages.shared.similarity import nearest_between
from stages.shared.sketch import Vectors
from stages.split.components import origin_keys


@dataclass(frozen=True)
class Part:
    """One split, or the golden set, with the vectors of its rows."""

    name: str
    rows: list[Row]
    vectors: Vectors


def leak_certificate(parts: list[Part]) -> dict[str, Any]:
    """For each pair of parts: keys of origin and groups that both hold (0 in a sound split) and the nearest
    rows.

    Golden cases have no origin, so for them only the nearest rows tell.
    """
    return {f"{left.name}/{right.name}": _between(left, right) for left, right in combinations(parts, 2)}


def _between(left: Part, right: Part) -> dict[str, Any]:
    shared = _keys(left.rows) & _keys(right.rows)
    by_meaning = nearest_between(left.vectors, right.vectors)
    by_text = nearest_text_between([row["input"] for row in left.rows], [row["input"] for row in right.rows])
    return {
        "shared_keys": len(shared),
        "nearest_meaning": _pair(left, right, by_meaning),
        "nearest_text": _pair(left, right, by_text),
    }


def _keys(rows: list[Row]) -> set[tuple[str, str]]:
    tied = [row for row in rows if "repeats" in row]
    own = {key for row in tied for key in origin_keys(row)}
    return own | {("group", row["group"]) for row in tied} | {("component", row["component"]) for row in tied}


def _pair(left: Part, right: Part, found: tuple[int, int, float]) -> dict[str, Any]:
    a, b, similarity = found
    return {
        "similarity": similarity,
        left.name: {name: left.rows[a][name] for name in ("id", "input")},
        right.name: {name: right.rows[b][name] for name in ("id", "input")},
    }


def leaks(certificate: dict[str, Any]) -> list[str]:
    """The pairs of parts that share keys, in words; empty for a sound split."""
    return [
        f"{pair} share {found['shared_keys']} keys"
        for pair, found in certificate.items()
        if found["shared_keys"]
    ]
