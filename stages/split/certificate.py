"""The leak certificate: what any two of train, validation, test and golden share, and how near they are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from promptstill.near.corpus import Corpus
from promptstill.near.ngrams import nearest_text_between
from promptstill.near.pairs import nearest_between
from promptstill.near.sampling import evenly
from promptstill.near.vectors import Vectors
from promptstill.rows.origin import origin_keys
from promptstill.rows.row import IngestedCase, Input, PlacedRow
from stages.split.guards import LeakError

# Up to this many rows of a part, all texts are compared; of more rows an even sample is, and the certificate
# says so.
TEXTS = 20_000
METHOD = (
    "keys: account, thread, document, translation group, near-duplicate group, component of every row, of "
    "its exact repeats and of those that it represents; near pairs: cosine of embeddings and Jaccard index "
    "of character n-grams, all pairs compared; nearest: the largest of either over all pairs"
)


@dataclass(frozen=True)
class Part:
    """One split, or the golden set: its rows, their vectors, and the keys of origin and groups that it
    holds."""

    name: str
    rows: Sequence[Input]
    vectors: Vectors
    keys: frozenset[tuple[str, str]]


def split_part(name: str, corpus: Corpus[PlacedRow]) -> Part:
    """A split as a part of the certificate."""
    own = {key for row in corpus.rows for key in origin_keys(row)}
    groups = {("group", row["group"]) for row in corpus.rows}
    components = {("component", row["component"]) for row in corpus.rows}
    return Part(name, corpus.rows, corpus.vectors, frozenset(own | groups | components))


def golden_part(corpus: Corpus[IngestedCase]) -> Part:
    """The golden set as a part of the certificate. Golden cases have no origin, so only near pairs and the
    nearest rows say how far they are from the splits."""
    return Part("golden", corpus.rows, corpus.vectors, frozenset())


def leak_certificate(parts: Sequence[Part], near: set[tuple[str, str]]) -> dict[str, Any]:
    """For each pair of parts, the number of keys that both hold, the number of near pairs between them (both
    0 in a sound split), and the nearest rows.

    `near` are ids of rows that are too near to be apart.
    """
    home = {row["id"]: part.name for part in parts for row in part.rows}
    across = Counter(frozenset((home[a], home[b])) for a, b in near if a in home and b in home)
    return {
        f"{left.name}/{right.name}": {
            "shared_keys": len(left.keys & right.keys),
            "near_pairs": across[frozenset((left.name, right.name))],
        }
        | _nearest(left, right)
        for left, right in combinations(parts, 2)
    }


def _nearest(left: Part, right: Part) -> dict[str, Any]:
    by_cosine = nearest_between(left.vectors, right.vectors)
    sample, others = evenly(len(left.rows), TEXTS), evenly(len(right.rows), TEXTS)
    i, j, overlap = nearest_text_between(
        [left.rows[k]["input"] for k in sample], [right.rows[k]["input"] for k in others]
    )
    nearest = {
        "nearest_meaning": _pair(left, right, by_cosine),
        "nearest_text": _pair(left, right, (sample[i], others[j], overlap)),
    }
    if len(sample) < len(left.rows) or len(others) < len(right.rows):
        nearest["texts_compared"] = {left.name: len(sample), right.name: len(others)}
    return nearest


def _pair(left: Part, right: Part, nearest: tuple[int, int, float]) -> dict[str, Any]:
    i, j, similarity = nearest
    a, b = left.rows[i], right.rows[j]
    return {
        "similarity": round(similarity, 4),
        left.name: {"id": a["id"], "input": a["input"]},
        right.name: {"id": b["id"], "input": b["input"]},
    }


def require_no_leaks(certificate: dict[str, Any]) -> None:
    """Raise LeakError if two parts share keys or near texts."""
    leaks = [
        f"{pair} share {counts['shared_keys']} keys and {counts['near_pairs']} near pairs"
        for pair, counts in certificate.items()
        if counts["shared_keys"] or counts["near_pairs"]
    ]
    if leaks:
        raise LeakError("; ".join(leaks))
