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

from stages.shared.engine import Engine
from stages.shared.ngrams import text_similarity
from stages.shared.sketch import Sketches, Vectors, fastest, sketches

if TYPE_CHECKING:
    import torch

Positions = NDArray[np.int64]
# Left positions, right positions and cosines of pairs.
Near = tuple[Positions, Positions, NDArray[np.float64]]
# Rows [first, end) of the left vectors and rows [first, end) of the right ones, to compare each with each.
Block = tuple[int, int, int, int]

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


def near_pairs(
    vectors: Vectors, texts: list[str], meaning: float, text: float, engine: Engine = "local"
) -> list[Pair]:
    """All pairs `left < right` of one set whose similarities reach both thresholds, in order."""
    return _confirmed(near_blocks(vectors, None, meaning, engine), texts, texts, text)


def near_pairs_between(
    left: Vectors,
    right: Vectors,
    left_texts: list[str],
    right_texts: list[str],
    meaning: float,
    text: float,
    engine: Engine = "local",
) -> list[Pair]:
    """All pairs between two sets whose similarities reach both thresholds, in order."""
    return _confirmed(near_blocks(left, right, meaning, engine), left_texts, right_texts, text)


def _confirmed(parts: Iterable[Near], left: list[str], right: list[str], text: float) -> list[Pair]:
    """The pairs whose texts are at least so similar too, in order; the others are forgotten part by part."""
    found = []
    for near in parts:
        for a, b, cosine in zip(*(values.tolist() for values in near), strict=True):
            shared = text_similarity(left[a], right[b])
            if shared >= text:
                found.append(Pair(a, b, cosine, shared))
    return sorted(found, key=lambda pair: (pair.left, pair.right))


def meaning_pairs(left: Vectors, right: Vectors | None, threshold: float, engine: Engine = "local") -> Near:
    """Positions and cosine of all pairs with at least `threshold`, ordered by left, then right."""
    rows, columns, cosines = together(near_blocks(left, right, threshold, engine))
    order = np.lexsort((columns, rows))
    return rows[order], columns[order], cosines[order]


def near_blocks(
    left: Vectors, right: Vectors | None, threshold: float, engine: Engine = "local"
) -> Iterator[Near]:
    """Part by part, positions and cosine of all pairs with at least `threshold`.

    `left` and `right` have shapes (n, dimension) and (m, dimension), rows of length 1. Without `right` the
    pairs are those of one set, each once, `left < right`. Memory is one block of products and its pairs.
    Engine `ray` needs the connection of `running`, and gives the same pairs to the last bit.
    """
    if engine == "ray":
        from stages.shared.cluster import pairs

        short = sketches(left, right, threshold, fastest(gpu=False))
        yield from pairs(block_pairs, left, right, short, threshold, blocks_of(short))
        return
    short = sketches(left, right, threshold)
    for block in blocks_of(short):
        yield block_pairs(left, right, short, threshold, [block])


def blocks_of(short: Sketches) -> list[Block]:
    """What has to be compared: all blocks of pairs, of one set those of the upper triangle."""
    size = GPU_BLOCK if short.left.is_cuda else BLOCK
    return [
        (i, i + size, j, j + size)
        for i in range(0, len(short.left), size)
        for j in range(i if short.right is None else 0, len(short.others), size)
    ]


def block_pairs(
    left: Vectors, right: Vectors | None, short: Sketches, threshold: float, blocks: Iterable[Block]
) -> Near:
    """The pairs of `near_blocks` that lie in the blocks, in no order: the work of one process."""
    others = left if right is None else right
    found = []
    for block in blocks:
        rows, columns = _reaching(_products(short, block), threshold - short.slack, block)
        keep = rows < columns if right is None else slice(None)
        found.append(_decided(left, others, rows[keep], columns[keep], threshold))
    return together(found)


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

    # Most rows of most blocks hold nothing: their largest value tells, and is cheap.
    rows = torch.nonzero(products.amax(dim=1) >= threshold).flatten()
    at, columns = torch.nonzero(products[rows] >= threshold, as_tuple=True)
    return (rows[at] + block[0]).cpu().numpy(), (columns + block[2]).cpu().numpy()


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
    for block in blocks_of(short):
        products = _products(short, block)
        # What may be the best here, or better than the best so far; slack is off either way.
        bar = max(-found[0], float(products.max()) - short.slack) - short.slack
        rows, columns, cosines = _decided(left, right, *_reaching(products, bar, block), -1.0)
        found = min([found, *zip((-cosines).tolist(), rows.tolist(), columns.tolist(), strict=True)])
    return found[1], found[2], -found[0]
