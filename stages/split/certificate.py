"""The leak certificate: what any two of train, validation, test and golden share, and how near they are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from promptstill.near.corpus import Corpus
from promptstill.near.ngrams import CONTAINMENT, LEAST_CONTAINED, OVERLAP, nearest_text_between
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
    "keys: account, thread, document, translation group, near-duplicate group and component of every row, of "
    "its exact repeats and of the near-duplicates that it represents; near pairs: cosine of embeddings and "
    "Jaccard index of character 2-grams and 3-grams together, that index alone, or the share of the shorter "
    f"text's character 4-grams (at least {LEAST_CONTAINED}) in the longer text, all pairs compared; nearest: "
    "the largest of each over all pairs"
)
# By name: what the nearest texts are nearest in.
MEASURES = {"nearest_text": OVERLAP, "nearest_contained": CONTAINMENT}


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
    0 in a sound split), and the ids of the nearest rows.

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
    nearest = {"nearest_meaning": _pair(left, right, nearest_between(left.vectors, right.vectors))}
    sample, others = evenly(len(left.rows), TEXTS), evenly(len(right.rows), TEXTS)
    texts = [left.rows[k]["input"] for k in sample], [right.rows[k]["input"] for k in others]
    for name, measure in MEASURES.items():
        i, j, similarity = nearest_text_between(*texts, measure)
        nearest[name] = _pair(left, right, (sample[i], others[j], similarity))
    if len(sample) < len(left.rows) or len(others) < len(right.rows):
        nearest["texts_compared"] = {left.name: len(sample), right.name: len(others)}
    return nearest


def _pair(left: Part, right: Part, nearest: tuple[int, int, float]) -> dict[str, Any]:
    """Similarity and ids. The certificate can be shared without the rows, so it holds no text of one."""
    i, j, similarity = nearest
    ids = {left.name: left.rows[i]["id"], right.name: right.rows[j]["id"]}
    return {"similarity": round(similarity, 4), **ids}


def require_no_leaks(certificate: dict[str, Any]) -> None:
    """Raise LeakError if two parts share keys or near texts."""
    leaks = [
        f"{pair} share {counts['shared_keys']} keys and {counts['near_pairs']} near pairs"
        for pair, counts in certificate.items()
        if counts["shared_keys"] or counts["near_pairs"]
    ]
    if leaks:
        raise LeakError("; ".join(leaks))
