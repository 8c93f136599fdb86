"""Pairs of similar rows: by meaning (cosine of unit vectors), confirmed by text (shared character n-grams).

Every pair is compared, block by block of matrix products; nothing is approximate and no list of neighbours
is cut. Sketches in low precision only propose: what may reach the threshold is decided by a sum in double
precision that is the same whatever sketch, block, thread or order of rows it was proposed by.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from stages.shared.ngrams import text_similarity
from stages.shared.sketch import Sketches, Vectors, sketches

if TYPE_CHECKING:
    import torch

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
    """Two positions with their similarities: cosine and shared n-grams."""

    left: int
    right: int
    meaning: float
    text: float


def near_pairs(vectors: Vectors, texts: list[str], meaning: float, text: float) -> list[Pair]:
    """All pairs `left < right` of one set whose similarities reach both thresholds, in order."""
    return _confirmed(near_blocks(vectors, None, meaning), texts, texts, text)


def near_pairs_between(
    left: Vectors, right: Vectors, left_texts: list[str], right_texts: list[str], meaning: float, text: float
) -> list[Pair]:
    """All pairs between two sets whose similarities reach both thresholds, in order."""
    return _confirmed(near_blocks(left, right, meaning), left_texts, right_texts, text)


def _confirmed(blocks: Iterable[Near], left: list[str], right: list[str], text: float) -> list[Pair]:
    """The pairs whose texts are at least so similar too, in order; the others are forgotten block by
    block."""
    found = []
    for near in blocks:
        for a, b, cosine in zip(*(part.tolist() for part in near), strict=True):
            shared = text_similarity(left[a], right[b])
            if shared >= text:
                found.append(Pair(a, b, cosine, shared))
    return sorted(found, key=lambda pair: (pair.left, pair.right))


def meaning_pairs(left: Vectors, right: Vectors | None, threshold: float) -> Near:
    """Positions and cosine of all pairs with at least `threshold`, ordered by left, then right."""
    nothing = np.empty(0, dtype=np.int64)
    blocks = [(nothing, nothing, np.empty(0)), *near_blocks(left, right, threshold)]
    rows, columns, cosines = (np.concatenate([block[k] for block in blocks]) for k in range(3))
    order = np.lexsort((columns, rows))
    return rows[order], columns[order], cosines[order]


def near_blocks(left: Vectors, right: Vectors | None, threshold: float) -> Iterator[Near]:
    """Block by block, positions and cosine of all pairs with at least `threshold`.

    `left` and `right` have shapes (n, dimension) and (m, dimension), rows of length 1. Without `right` the
    pairs are those of one set, each once, `left < right`. Memory is one block of products and its pairs.
    """
    short = sketches(left, right, threshold)
    others = left if right is None else right
    for rows, columns in _proposed(short, threshold - short.slack):
        yield _decided(left, others, rows, columns, threshold)


def _proposed(short: Sketches, threshold: float) -> Iterator[tuple[Positions, Positions]]:
    """Pairs whose sketches' product reaches `threshold`, block by block."""
    for i, j, products in _blocks(short):
        rows, columns = _where(products, threshold, i, j)
        if len(rows):
            keep = rows < columns if short.right is short.left else slice(None)
            yield rows[keep], columns[keep]


def _blocks(short: Sketches) -> Iterator[tuple[int, int, torch.Tensor]]:
    """First row, first column and products of each block; of one set only those of the upper triangle."""
    a, b = short.left, short.right
    block = GPU_BLOCK if a.is_cuda else BLOCK
    for i in range(0, len(a), block):
        for j in range(i if b is a else 0, len(b), block):
            yield i, j, a[i : i + block] @ b[j : j + block].T


def _where(products: torch.Tensor, threshold: float, i: int, j: int) -> tuple[Positions, Positions]:
    """Rows and columns of the products that reach `threshold`, in a block that begins at row i, column j."""
    import torch

    # Most rows of most blocks hold nothing: their largest value tells, and is cheap.
    rows = torch.nonzero(products.amax(dim=1) >= threshold).flatten()
    at, columns = torch.nonzero(products[rows] >= threshold, as_tuple=True)
    return (rows[at] + i).cpu().numpy(), (columns + j).cpu().numpy()


def _decided(left: Vectors, right: Vectors, rows: Positions, columns: Positions, threshold: float) -> Near:
    """Of the proposed pairs those that reach the threshold in double precision, with their cosine."""
    cosines = np.empty(len(rows))
    for start in range(0, len(rows), DECIDED_AT_ONCE):
        part = slice(start, start + DECIDED_AT_ONCE)
        products = left[rows[part]].astype(np.float64) * right[columns[part]]
        cosines[part] = products.sum(axis=1)
    reached = cosines >= threshold
    return rows[reached], columns[reached], cosines[reached]


def nearest_between(left: Vectors, right: Vectors) -> tuple[int, int, float]:
    """Positions and cosine of the most similar pair between two non-empty sets; the first of equals."""
    # At this threshold nothing can be spared, so the sketches are the vectors themselves.
    short = sketches(left, right, -1.0)
    found = (2.0, 0, 0)
    for i, j, products in _blocks(short):
        # What may be the best here, or better than the best so far; slack is off either way.
        bar = max(-found[0], float(products.max()) - short.slack) - short.slack
        rows, columns, cosines = _decided(left, right, *_where(products, bar, i, j), -1.0)
        found = min([found, *zip((-cosines).tolist(), rows.tolist(), columns.tolist(), strict=True)])
    return found[1], found[2], -found[0]
