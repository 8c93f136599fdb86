"""Pairs in, the number of pairs at each similarity out: it shows where the thresholds cut."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from promptstill.near.pairs import Pair

COLUMNS = ("meaning", "text", "pairs")
# Pairs whose cosine is this much below the threshold are counted too.
MARGIN = 0.1
# The width of a bin is 1 / BINS.
BINS = 20
# There are many pairs below the threshold: of more rows than this, an even sample is counted.
ROWS = 20_000


def histogram(pairs: Iterable[Pair]) -> list[tuple[float, float, int]]:
    """Lower edges of the bins of cosine and text overlap, with the number of pairs in both; without empty
    bins."""
    counts = Counter((_bin(pair.cosine), _bin(pair.text_overlap)) for pair in pairs)
    return [(cosine, overlap, count) for (cosine, overlap), count in sorted(counts.items())]


def _bin(similarity: float) -> float:
    return min(int(similarity * BINS), BINS - 1) / BINS
