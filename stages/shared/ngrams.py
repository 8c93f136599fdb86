"""Text similarity: how many character n-grams two texts share."""

from __future__ import annotations

import unicodedata
from functools import lru_cache

import numpy as np
from scipy.sparse import csr_array

BLOCK = 2048


def nearest_text_between(left: list[str], right: list[str]) -> tuple[int, int, float]:
    """Positions and text similarity of the most similar pair between two non-empty lists; the first of
    equals."""
    grams = {gram: i for i, gram in enumerate(sorted(frozenset().union(*map(_ngrams, [*left, *right]))))}
    a, b = _incidence(left, grams), _incidence(right, grams)
    sizes_a, sizes_b = a.sum(axis=1), b.sum(axis=1)
    best = (0, 0, -1.0)
    for start in range(0, len(left), BLOCK):
        shared = (a[start : start + BLOCK] @ b.T).toarray()
        similarity = shared / np.maximum(sizes_a[start : start + BLOCK, None] + sizes_b[None, :] - shared, 1)
        i, j = divmod(int(similarity.argmax()), similarity.shape[1])
        if similarity[i, j] > best[2]:
            best = (start + i, j, float(similarity[i, j]))
    return best[0], best[1], round(best[2], 4)


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


@lru_cache(maxsize=200_000)
def _ngrams(text: str) -> frozenset[str]:
    folded = unicodedata.normalize("NFKC", text).casefold()
    kept = "".join(c if unicodedata.category(c)[0] in "LNMS" else " " for c in folded)
    spaced = f" {' '.join(kept.split())} "
    return (
        frozenset(spaced[i : i + n] for n in (2, 3) for i in range(len(spaced) - n + 1))
        if spaced.strip()
        else frozenset()
    )
