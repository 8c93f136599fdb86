"""How alike two texts are by their character n-grams, whatever they mean.

The text overlap is the share of n-grams that two texts have in common. The containment is the share of the
shorter text's n-grams that the longer text has too: it is high for a short text inside a long one, whose
overlap is low.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

BLOCK = 1024
# Texts whose n-grams are kept: those of two blocks of near_pairs. A long text has some thousand n-grams of
# eight bytes, so this takes up to 200 MB.
CACHED = 4096
# With fewer n-grams, a text does not count as contained in another: a greeting is part of many texts.
# 12 n-grams are about 15 characters.
LEAST_CONTAINED = 12

# The n-grams of one text, each once, in ascending order.
Grams = NDArray[np.uint64]
Counts = NDArray[np.int64]
Similarities = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Measure:
    """A similarity from 0 to 1 that depends on the n-grams which two texts share.

    `grams` gives the n-grams of a text. `similarity` takes the numbers of shared n-grams, of shape (n, m),
    and the numbers of n-grams of n left and m right texts. `least_shared` takes a similarity and the two
    numbers; no pair that reaches the similarity shares fewer n-grams. `least_grams` is the number below which
    a text is similar to none.
    """

    grams: Callable[[str], Grams]
    similarity: Callable[[Counts, Counts, Counts], Similarities]
    least_shared: Callable[[float, Counts, Counts], Similarities]
    least_grams: int


def _overlap(shared: Counts, left: Counts, right: Counts) -> Similarities:
    share: Similarities = shared / np.maximum(left[:, None] + right[None] - shared, 1)
    return share


def _containment(shared: Counts, left: Counts, right: Counts) -> Similarities:
    smaller = np.minimum(left[:, None], right[None])
    share: Similarities = shared / np.maximum(smaller, 1)
    share[smaller < LEAST_CONTAINED] = 0.0
    return share


@lru_cache(maxsize=CACHED)
def _overlap_grams(text: str) -> Grams:
    """The 2-grams and 3-grams of the folded text, with a space at both ends."""
    folded = fold(text)
    if not folded:
        return np.empty(0, dtype=np.uint64)
    points = np.frombuffer(f" {folded} ".encode("utf-32-le"), dtype="<u4").astype(np.uint64)
    # A code point has 21 bits.
    twos = points[:-1] << np.uint64(21) | points[1:]
    return np.unique(np.concatenate([twos, twos[:-1] << np.uint64(21) | points[2:]]))


@lru_cache(maxsize=CACHED)
def _containment_grams(text: str) -> Grams:
    """The 4-grams of the folded text in UTF-16.

    Shorter n-grams prove little: a long text has most 2-grams and 3-grams of its language.
    """
    units = np.frombuffer(fold(text).encode("utf-16-le"), dtype="<u2").astype(np.uint64)
    if len(units) < 4:
        return np.empty(0, dtype=np.uint64)
    twos = units[:-1] << np.uint64(16) | units[1:]
    return np.unique(twos[:-2] << np.uint64(32) | twos[2:])


# The Jaccard index of 2-grams and 3-grams. It is 1 for texts that differ only in case, Unicode normalisation,
# punctuation or spacing. It needs no word boundaries, so it works for Thai and Chinese as well.
OVERLAP = Measure(
    _overlap_grams,
    _overlap,
    lambda least, left, right: least / (1 + least) * (left[:, None] + right[None]),
    1,
)
# The share of the 4-grams of the shorter text, as counted in 4-grams.
CONTAINMENT = Measure(
    _containment_grams,
    _containment,
    lambda least, left, right: least * np.minimum(left[:, None], right[None]),
    LEAST_CONTAINED,
)


class _Kept(dict[int, int]):
    """For `str.translate`: letters, digits, marks and symbols stay, and others become spaces."""

    def __missing__(self, point: int) -> int:
        self[point] = point if unicodedata.category(chr(point))[0] in "LNMS" else ord(" ")
        return self[point]


_KEPT = _Kept()


def fold(text: str) -> str:
    """The text without differences of case, Unicode normalisation, punctuation and spacing."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().translate(_KEPT).split())


def text_overlap(left: str, right: str) -> float:
    """The share of 2-grams and 3-grams that two texts have in common, from 0 to 1."""
    a, b = _overlap_grams(left), _overlap_grams(right)
    if not len(a) and not len(b):
        return 1.0 if left == right else 0.0
    return similarity_of(left, right, OVERLAP)


def similarity_of(left: str, right: str, measure: Measure) -> float:
    """The similarity of two texts."""
    a, b = measure.grams(left), measure.grams(right)
    shared = len(np.intersect1d(a, b, assume_unique=True))
    return float(measure.similarity(np.array([[shared]]), np.array([len(a)]), np.array([len(b)]))[0, 0])


def nearest_text_between(
    left: list[str], right: list[str], measure: Measure = OVERLAP
) -> tuple[int, int, float]:
    """Positions and similarity of the most similar pair between two non-empty lists; of equal pairs, the
    first."""
    best = (2.0, 0, 0)
    for i, j, similarity in _blocks(left, right, measure):
        a, b = divmod(int(similarity.argmax()), similarity.shape[1])
        best = min(best, (-float(similarity[a, b]), i + a, j + b))
    return best[1], best[2], -best[0]


def nearest_texts(left: list[str], right: list[str]) -> list[tuple[int, float]]:
    """For each text of `left`, the position and overlap of the most similar text of the non-empty list
    `right`; of equal ones, the first."""
    nearest = [(0, -1.0)] * len(left)
    # Blocks of the same left texts come with rising positions on the right, so the first of equals stays.
    for i, j, overlap in _blocks(left, right, OVERLAP):
        for a, b in enumerate(overlap.argmax(axis=1)):
            if overlap[a, b] > nearest[i + a][1]:
                nearest[i + a] = (j + int(b), float(overlap[a, b]))
    return nearest


def similar_texts_between(
    left: list[str], right: list[str], least: float, measure: Measure = OVERLAP
) -> list[tuple[int, int, float]]:
    """Positions and similarity of all pairs that reach `least`, by left, then right."""
    pairs = []
    for i, j, similarity in _blocks(left, right, measure):
        for a, b in zip(*np.nonzero(similarity >= least), strict=True):
            pairs.append((i + int(a), j + int(b), float(similarity[a, b])))
    return sorted(pairs)


def _blocks(left: list[str], right: list[str], measure: Measure) -> Iterator[tuple[int, int, Similarities]]:
    """First left, first right and similarities of each block of pairs between two lists.

    Memory is the n-grams of the shorter list and one block of the longer.
    """
    if len(left) < len(right):
        for j, i, similarity in _blocks(right, left, measure):
            yield i, j, similarity.T
        return
    others = [_packed(right[j : j + BLOCK], measure) for j in range(0, len(right), BLOCK)]
    known = [(np.unique(flat), flat, counts) for flat, counts in others]
    for i in range(0, len(left), BLOCK):
        flat, counts = _packed(left[i : i + BLOCK], measure)
        for number, (grams, other, other_counts) in enumerate(known):
            a = _incidence(flat, counts, grams)
            b = _incidence(other, other_counts, grams)
            shared = (a @ b.T).toarray().astype(np.int64)
            yield i, number * BLOCK, measure.similarity(shared, counts, other_counts)


def _packed(texts: list[str], measure: Measure) -> tuple[Grams, Counts]:
    """The n-grams of some texts, one text after the other, and how many each text has."""
    grams = [measure.grams(text) for text in texts]
    return np.concatenate(grams), np.array([len(part) for part in grams], dtype=np.int64)


def _incidence(flat: Grams, counts: Counts, known: Grams) -> csr_array:
    """Sparse matrix of shape (texts, known n-grams): 1 where a text has an n-gram. Others are left out."""
    if not len(known):
        return csr_array((len(counts), 1), dtype=np.int32)
    columns = np.minimum(np.searchsorted(known, flat), len(known) - 1)
    hits = known[columns] == flat
    rows = np.repeat(np.arange(len(counts)), counts)
    starts = np.concatenate([[0], np.cumsum(np.bincount(rows[hits], minlength=len(counts)))])
    ones = np.ones(int(starts[-1]), dtype=np.int32)
    return csr_array((ones, columns[hits], starts), shape=(len(counts), len(known)))
