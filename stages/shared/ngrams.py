"""Text similarity: how many character n-grams two texts share."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

BLOCK = 2048


def nearest_text_between(left: list[str], right: list[str]) -> tuple[int, int, float]:
    """Positions and text similarity of the most similar pair between two non-empty lists; the first of
    equals."""
    best = (2.0, 0, 0)
    for i, j, similarity in _blocks(left, right):
        a, b = divmod(int(similarity.argmax()), similarity.shape[1])
        best = min(best, (-float(similarity[a, b]), i + a, j + b))
    return best[1], best[2], -best[0]


def similar_texts_between(left: list[str], right: list[str], text: float) -> list[tuple[int, int, float]]:
    """Positions and text similarity of all pairs that reach `text`, by left, then right."""
    found = []
    for i, j, similarity in _blocks(left, right):
        for a, b in zip(*np.nonzero(similarity >= text), strict=True):
            found.append((i + int(a), j + int(b), float(similarity[a, b])))
    return sorted(found)


def _blocks(left: list[str], right: list[str]) -> Iterator[tuple[int, int, NDArray[np.float64]]]:
    """First left, first right and text similarities of each block of pairs between two non-empty lists."""
    grams = {gram: i for i, gram in enumerate(sorted(frozenset().union(*map(_ngrams, [*left, *right]))))}
    a, b = _incidence(left, grams), _incidence(right, grams)
    sizes_a, sizes_b = a.sum(axis=1), b.sum(axis=1)
    for i in range(0, len(left), BLOCK):
        for j in range(0, len(right), BLOCK):
            shared = (a[i : i + BLOCK] @ b[j : j + BLOCK].T).toarray()
            union = sizes_a[i : i + BLOCK, None] + sizes_b[None, j : j + BLOCK] - shared
            yield i, j, shared / np.maximum(union, 1)


def _incidence(texts: list[str], grams: dict[str, int]) -> csr_array:
    """Sparse matrix of shape (texts, n-grams): 1 where a text holds an n-gram."""
    columns = [sorted(grams[gram] for gram in _ngrams(text)) for text in texts]
    starts = np.cumsum([0, *map(len, columns)])
    flat = np.array([column for row in columns for column in row], dtype=np.int64)
    return csr_array((np.ones(len(flat), dtype=np.int32), flat, starts), shape=(len(texts), len(grams)))


def text_similarity(left: str, right: str) -> float:
    """Share of character n-grams that two texts have in common, from 0 to 1.

    The Jaccard index over sets of 2-grams and 3-grams of the folded text: 1 for texts that differ in case,
    accents' encoding, punctuation or spacing only. It needs no word boundaries, so it holds for Thai and
    Chinese as well.
    """
    a, b = _ngrams(left), _ngrams(right)
    if not a and not b:
        return 1.0 if left == right else 0.0
    return len(a & b) / len(a | b)


# A long text has some thousand n-grams: this many texts take up to a gigabyte.
@lru_cache(maxsize=20_000)
def _ngrams(text: str) -> frozenset[str]:
    folded = unicodedata.normalize("NFKC", text).casefold()
    kept = "".join(c if unicodedata.category(c)[0] in "LNMS" else " " for c in folded)
    spaced = f" {' '.join(kept.split())} "
    return (
        frozenset(spaced[i : i + n] for n in (2, 3) for i in range(len(spaced) - n + 1))
        if spaced.strip()
        else frozenset()
    )
