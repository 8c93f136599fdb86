"""Pairs of similar rows: by cosine of their unit vectors, confirmed by the n-grams that their texts share.

Every pair is compared, block by block of matrix products. Nothing is approximate, and no list of neighbours
is cut. Sketches in low precision only propose pairs. Whether a proposed pair reaches the threshold is decided
by a sum in double precision, which does not depend on the sketch, block, thread or order of rows that
proposed it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from promptstill.near.ngrams import text_overlap
from promptstill.near.sketch import Sketches, sketches
from promptstill.near.vectors import Block, Engine, Near, Positions, Vectors

if TYPE_CHECKING:
    import torch

# Rows of a block: 8 or 16 MiB of products, which stay in the cache while they are searched.
BLOCK = 2048
# A GPU is faster with larger blocks.
GPU_BLOCK = 16_384
# Proposed pairs that are decided together.
DECIDED_AT_ONCE = 8_192


@dataclass(frozen=True)
class Pair:
    """Two positions, the cosine of their vectors and the overlap of their texts."""

    left: int
    right: int
    cosine: float
    text_overlap: float


def near_pairs(
    vectors: Vectors,
    texts: list[str],
    min_cosine: float,
    min_text_overlap: float,
    engine: Engine | None = None,
) -> list[Pair]:
    """All pairs `left < right` of one set that reach both thresholds, in order."""
    return _in_order(each_near_pair(vectors, texts, min_cosine, min_text_overlap, engine))


def each_near_pair(
    vectors: Vectors,
    texts: list[str],
    min_cosine: float,
    min_text_overlap: float,
    engine: Engine | None = None,
) -> Iterator[Pair]:
    """The pairs of `near_pairs`, in no order and without holding them all."""
    return _confirmed(near_blocks(vectors, None, min_cosine, engine), texts, texts, min_text_overlap)


def near_pairs_between(
    left: Vectors,
    right: Vectors,
    left_texts: list[str],
    right_texts: list[str],
    min_cosine: float,
    min_text_overlap: float,
    engine: Engine | None = None,
) -> list[Pair]:
    """All pairs between two sets that reach both thresholds, in order."""
    parts = near_blocks(left, right, min_cosine, engine)
    return _in_order(_confirmed(parts, left_texts, right_texts, min_text_overlap))


def _confirmed(
    parts: Iterable[Near], left: list[str], right: list[str], min_text_overlap: float
) -> Iterator[Pair]:
    """The pairs whose texts overlap enough."""
    for near in parts:
        for a, b, cosine in zip(*(values.tolist() for values in near), strict=True):
            overlap = text_overlap(left[a], right[b])
            if overlap >= min_text_overlap:
                yield Pair(a, b, cosine, overlap)


def _in_order(pairs: Iterable[Pair]) -> list[Pair]:
    return sorted(pairs, key=lambda pair: (pair.left, pair.right))


def near_blocks(
    left: Vectors, right: Vectors | None, min_cosine: float, engine: Engine | None = None
) -> Iterator[Near]:
    """Part by part, positions and cosine of all pairs with at least `min_cosine`.

    `left` and `right` have shapes (n, dimension) and (m, dimension) and hold unit vectors. Without `right`
    the pairs are those of one set, each once, `left < right`. In this process, memory is one block of
    products and its pairs.
    """
    if engine is not None:
        yield from engine.pairs(left, right, min_cosine)
        return
    short = sketches(left, right, min_cosine)
    for block in blocks_of(short):
        yield block_pairs(left, right, short, min_cosine, [block])


def blocks_of(short: Sketches) -> list[Block]:
    """The blocks to compare: all of them, or the upper triangle for pairs of one set."""
    size = GPU_BLOCK if short.left.is_cuda else BLOCK
    return [
        (i, i + size, j, j + size)
        for i in range(0, len(short.left), size)
        for j in range(i if short.right is None else 0, len(short.others), size)
    ]


def block_pairs(
    left: Vectors, right: Vectors | None, short: Sketches, min_cosine: float, blocks: Iterable[Block]
) -> Near:
    """The pairs of `near_blocks` that lie in the blocks, in no order: the work of one process."""
    others = left if right is None else right
    parts = []
    for block in blocks:
        rows, columns = _reaching(_products(short, block), min_cosine - short.slack, block)
        keep = rows < columns if right is None else slice(None)
        parts.append(_decided(left, others, rows[keep], columns[keep], min_cosine))
    return together(parts)


def together(parts: Iterable[Near]) -> Near:
    """All pairs of the parts, one part after the other."""
    nothing = np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64), np.empty(0)
    rows, columns, cosines = zip(nothing, *parts, strict=True)
    return np.concatenate(rows), np.concatenate(columns), np.concatenate(cosines)


def _products(short: Sketches, block: Block) -> torch.Tensor:
    return short.left[block[0] : block[1]] @ short.others[block[2] : block[3]].T


def _reaching(products: torch.Tensor, threshold: float, block: Block) -> tuple[Positions, Positions]:
    """Positions of the pairs of a block whose products reach `threshold`."""
    import torch

    # Most rows of most blocks hold no pair, and their largest value is cheap to find.
    rows = torch.nonzero(products.amax(dim=1) >= threshold).flatten()
    at, columns = torch.nonzero(products[rows] >= threshold, as_tuple=True)
    return (rows[at] + block[0]).cpu().numpy(), (columns + block[2]).cpu().numpy()


def _decided(left: Vectors, right: Vectors, rows: Positions, columns: Positions, min_cosine: float) -> Near:
    """The proposed pairs that reach the threshold in double precision, with their cosine."""
    cosines = np.empty(len(rows))
    for start in range(0, len(rows), DECIDED_AT_ONCE):
        part = slice(start, start + DECIDED_AT_ONCE)
        products = left[rows[part]].astype(np.float64) * right[columns[part]]
        cosines[part] = products.sum(axis=1)
    reached = cosines >= min_cosine
    return rows[reached], columns[reached], cosines[reached]


def nearest_between(left: Vectors, right: Vectors) -> tuple[int, int, float]:
    """Positions and cosine of the most similar pair between two non-empty sets; of equal pairs, the first."""
    # At this threshold sketches save nothing, so they are the whole vectors.
    short = sketches(left, right, -1.0)
    best = (2.0, 0, 0)
    for block in blocks_of(short):
        products = _products(short, block)
        # What may be the best in this block, or better than the best so far; either may be off by the slack.
        bar = max(-best[0], float(products.max()) - short.slack) - short.slack
        rows, columns, cosines = _decided(left, right, *_reaching(products, bar, block), -1.0)
        best = min([best, *zip((-cosines).tolist(), rows.tolist(), columns.tolist(), strict=True)])
    return best[1], best[2], -best[0]
