"""The leak certificate: what any two of train, validation, test and golden share, and how near they come."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from stages.shared.files import Row
from stages.shared.ngrams import nearest_text_between
from stages.shared.origin import origin_keys
from stages.shared.sampling import evenly
from stages.shared.similarity import nearest_between
from stages.shared.sketch import Vectors

# All texts are compared with all up to so many rows of a part; of more an even sample is, which is told.
TEXTS = 20_000
METHOD = (
    "keys: account, thread, document, translation group, near-duplicate group, component of every row, of "
    "its exact repeats and of those that it stands for; near pairs: cosine of embeddings and Jaccard index "
    "of character n-grams, all pairs compared; nearest: the largest of either over all pairs"
)


@dataclass(frozen=True)
class Part:
    """One split, or the golden set, with the vectors of its rows."""

    name: str
    rows: list[Row]
    vectors: Vectors


def leak_certificate(parts: list[Part], near: set[tuple[str, str]]) -> dict[str, Any]:
    """For each pair of parts: keys of origin and groups that both hold and near pairs that lie across (both 0
    in a sound split), and the nearest rows.

    `near` are ids of rows that are too near to be apart. Golden cases have no origin, so for them only near
    pairs and the nearest rows tell.
    """
    home = {row["id"]: part.name for part in parts for row in part.rows}
    across = Counter(frozenset((home[a], home[b])) for a, b in near if a in home and b in home)
    return {
        f"{left.name}/{right.name}": {
            "shared_keys": len(_keys(left.rows) & _keys(right.rows)),
            "near_pairs": across[frozenset((left.name, right.name))],
        }
        | _nearest(left, right)
        for left, right in combinations(parts, 2)
    }


def _nearest(left: Part, right: Part) -> dict[str, Any]:
    by_meaning = nearest_between(left.vectors, right.vectors)
    some, others = evenly(len(left.rows), TEXTS), evenly(len(right.rows), TEXTS)
    i, j, similarity = nearest_text_between(
        [left.rows[k]["input"] for k in some], [right.rows[k]["input"] for k in others]
    )
    found = {
        "nearest_meaning": _pair(left, right, by_meaning),
        "nearest_text": _pair(left, right, (some[i], others[j], similarity)),
    }
    if len(some) < len(left.rows) or len(others) < len(right.rows):
        found["texts_compared"] = {left.name: len(some), right.name: len(others)}
    return found


def _keys(rows: list[Row]) -> set[tuple[str, str]]:
    tied = [row for row in rows if "repeats" in row]
    own = {key for row in tied for key in origin_keys(row)}
    return own | {("group", row["group"]) for row in tied} | {("component", row["component"]) for row in tied}


def _pair(left: Part, right: Part, found: tuple[int, int, float]) -> dict[str, Any]:
    a, b, similarity = found
    return {
        "similarity": round(similarity, 4),
        left.name: {name: left.rows[a][name] for name in ("id", "input")},
        right.name: {name: right.rows[b][name] for name in ("id", "input")},
    }


def leaks(certificate: dict[str, Any]) -> list[str]:
    """The pairs of parts that share keys or near texts, in words; empty for a sound split."""
    return [
        f"{pair} share {found['shared_keys']} keys and {found['near_pairs']} near pairs"
        for pair, found in certificate.items()
        if found["shared_keys"] or found["near_pairs"]
    ]
