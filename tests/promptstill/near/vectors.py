"""Random unit vectors."""

from __future__ import annotations

import numpy as np

from promptstill.near.vectors import Vectors


def unit(rows: int, width: int, seed: int) -> Vectors:
    """Unit vectors of shape (rows, width)."""
    random = np.random.default_rng(seed)
    vectors = random.normal(size=(rows, width)).astype(np.float32)
    scaled: Vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return scaled
