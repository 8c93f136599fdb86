"""Pairs of similar rows: by meaning (cosine of unit vectors), confirmed by text (shared character n-grams).

Every pair is compared, block by block of matrix products; nothing is approximate and no list of neighbours
is cut. Sketches in low precision only propose: what may reach the threshold is decided by a sum in double
precision that is the same whatever sketch, block, thread or order of rows it was proposed by.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stages.shared.ngrams import text_similarity
from stages.shared.sketch import Sketches, Vectors, sketches

Positions = NDArray[np.int64]
# Left positions, right positions and cosines of pairs.
Near = tuple[Positions, Positions, NDArray[np.float64]]

# Rows of a block: 8 or 16 MiB of products, which stay in the cache while they are looked through.
BLOCK = 2048
# A GPU wants larger ones.
GPU_BLOCK = 16_384
# Proposals that are decided together.
DECIDED_AT_ONCE = 8_192


@dataclass(frozen=True)
class Pair:
    """Two positions with their similarities, both between 0 and 1."""

    left: int
    right: int
    meaning: float
    text: float


def near_pairs(vectors: Vectors, texts: list[str], meaning: float, text: float) -> list[Pair]:
    """All pairs `left < right` of one set whose similarities reach both thresholds, in order."""
    return confirmed(meaning_pairs(vectors, None, meaning), texts, texts, text)


def near_pairs_between(
    left: Vectors, right: Vectors, left_texts: list[str], right_texts: list[str], meaning: float, text: float
) -> list[Pair]:
    """All pairs between two sets whose similarities reach both thresholds, in order."""
    return confirmed(meaning_pairs(left, right, meaning), left_texts, right_texts, text)


def confirmed(near: Near, left: list[str], right: list[str], text: float) -> list[Pair]:
    """The pairs whose texts are at least so similar too, in the order given."""
    found = []
    for a, b, cosine in zip(*(part.tolist() for part in near), strict=True):
        shared = text_similarity(left[a], right[b])
        if shared >= text:
            found.append(Pair(a, b, round(cosine, 4), round(shared, 4)))
    return found


def meaning_pairs(left: Vectors, right: Vectors | None, threshold: float) -> Near:
    """Positions and cosine of all pairs with at least `threshold`, ordered by left, then right.

    `left` and `right` have shapes (n, dimension) and (m, dimension), rows of length 1. Without `right` the
    pairs are those of one set, each once, `left < right`. Memory is one block of products and the pairs.
    """
    short = sketches(left, right, threshold)
    pairs = [
        _decided(left, left if right is None else right, rows, columns, threshold)
        for rows, columns in _proposed(short, threshold - short.slack)
    ]
    if not pairs:
        nothing = np.empty(0, dtype=np.int64)
        return nothing, nothing, np.empty(0)
    rows, columns, cosines = (np.concatenate([pair[k] for pair in pairs]) for k in range(3))
    order = np.lexsort((columns, rows))
    return rows[order], columns[order], cosines[order]


def at_least(near: Near, meaning: float) -> Near:
    """Those of the pairs whose cosine reaches a higher threshold."""
    rows, columns, cosines = near
    reached = cosines >= meaning
    return rows[reached], columns[reached], cosines[reached]


def _proposed(short: Sketches, threshold: float) -> Iterator[tuple[Positions, Positions]]:
    """Pairs whose sketches' product reaches `threshold`, block by block."""
    import torch

    a, b = short.left, short.right
    block = GPU_BLOCK if a.is_cuda else BLOCK
    for i in range(0, len(a), block):
        for j in range(i if b is a else 0, len(b), block):
            products = a[i : i + block] @ b[j : j + block].T
            # Most rows of most blocks hold nothing: their largest value tells, and is cheap.
            rows = torch.nonzero(products.amax(dim=1) >= threshold).flatten()
            if len(rows) == 0:
                continue
            at, columns = torch.nonzero(products[rows] >= threshold, as_tuple=True)
            left_at, right_at = (rows[at] + i).cpu().numpy(), (columns + j).cpu().numpy()
            keep = left_at < right_at if b is a else slice(None)
            yield left_at[keep], right_at[keep]


def _decided(left: Vectors, right: Vectors, rows: Positions, columns: Positions, threshold: float) -> Near:
    """Of the proposed pairs those that reach the threshold in double precision, with their cosine."""
    cosines = np.empty(len(rows))
    for start in range(0, len(rows), DECIDED_AT_ONCE):
        part = slice(start, start + DECIDED_AT_ONCE)
        products = left[rows[part]].astype(np.float64) * right[columns[part]]
        cosines[part] = products.sum(axis=1)
    return at_least((rows, columns, cosines), threshold)


def nearest_between(left: Vectors, right: Vectors) -> tuple[int, int, float]:
    """Positions and cosine of the most similar pair between two non-empty sets; the first of equals."""
    best = (0, 0, -2.0)
    for i in range(0, len(left), BLOCK):
        for j in range(0, len(right), BLOCK):
            block = left[i : i + BLOCK] @ right[j : j + BLOCK].T
            a, b = divmod(int(block.argmax()), block.shape[1])
            if block[a, b] > best[2]:
                best = (a + i, b + j, float(block[a, b]))
    return best[0], best[1], round(best[2], 4)
