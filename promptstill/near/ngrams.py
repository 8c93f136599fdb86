"""Text overlap: the share of character n-grams that two texts have in common."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

BLOCK = 2048


def nearest_text_between(left: list[str], right: list[str]) -> tuple[int, int, float]:
    """Positions and overlap of the most similar pair between two non-empty lists; of equal pairs, the
    first."""
    best = (2.0, 0, 0)
    for i, j, overlap in _blocks(left, right):
        a, b = divmod(int(overlap.argmax()), overlap.shape[1])
        best = min(best, (-float(overlap[a, b]), i + a, j + b))
    return best[1], best[2], -best[0]


def nearest_texts(left: list[str], right: list[str]) -> list[tuple[int, float]]:
    """For each text of `left`, the position and overlap of the most similar text of the non-empty list
    `right`; of equal ones, the first."""
    nearest = [(0, -1.0)] * len(left)
    # Blocks of the same left texts come with rising positions on the right, so the first of equals stays.
    for i, j, overlap in _blocks(left, right):
        for a, b in enumerate(overlap.argmax(axis=1)):
            if overlap[a, b] > nearest[i + a][1]:
                nearest[i + a] = (j + int(b), float(overlap[a, b]))
    return nearest


def overlapping_texts_between(
    left: list[str], right: list[str], min_text_overlap: float
) -> list[tuple[int, int, float]]:
    """Positions and overlap of all pairs that reach `min_text_overlap`, by left, then right."""
    pairs = []
    for i, j, overlap in _blocks(left, right):
        for a, b in zip(*np.nonzero(overlap >= min_text_overlap), strict=True):
            pairs.append((i + int(a), j + int(b), float(overlap[a, b])))
    return sorted(pairs)


def _blocks(left: list[str], right: list[str]) -> Iterator[tuple[int, int, NDArray[np.float64]]]:
    """First left, first right and overlaps of each block of pairs between two non-empty lists."""
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


def text_overlap(left: str, right: str) -> float:
    """The share of character n-grams that two texts have in common, from 0 to 1.

    This is the Jaccard index over the sets of 2-grams and 3-grams of the folded texts. It is 1 for texts that
    differ only in case, Unicode normalisation, punctuation or spacing. It needs no word boundaries, so it
    works for Thai and Chinese as well.
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
