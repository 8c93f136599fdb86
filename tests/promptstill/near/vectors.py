"""Random unit vectors, and all pairs of them whose cosine is large enough."""

from __future__ import annotations

import numpy as np

from promptstill.near.pairs import near_blocks, together
from promptstill.near.vectors import Engine, Near, Vectors


def unit(rows: int, width: int, seed: int) -> Vectors:
    """Unit vectors of shape (rows, width)."""
    random = np.random.default_rng(seed)
    vectors = random.normal(size=(rows, width)).astype(np.float32)
    scaled: Vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return scaled


def cosine_pairs(
    left: Vectors, right: Vectors | None, min_cosine: float, engine: Engine | None = None
) -> Near:
    """Positions and cosine of all pairs with at least `min_cosine`, ordered by left, then right."""
    rows, columns, cosines = together(near_blocks(left, right, min_cosine, engine))
    order = np.lexsort((columns, rows))
    return rows[order], columns[order], cosines[order]
