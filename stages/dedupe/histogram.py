"""Pairs in, how many there are at each similarity out: where the thresholds cut."""

from __future__ import annotations

from collections import Counter

from stages.shared.similarity import Pair

COLUMNS = ("meaning", "text", "pairs")
# Pairs this much below the threshold of meaning are counted too.
MARGIN = 0.1
# Width of a bin is one over this.
BINS = 20
# Below the threshold pairs abound: of more rows than this, an even sample is counted.
ROWS = 20_000


def histogram(pairs: list[Pair]) -> list[tuple[float, float, int]]:
    """Lower edges of the bins of meaning and text with the number of pairs in both; empty bins are left
    out."""
    counts = Counter((_bin(pair.meaning), _bin(pair.text)) for pair in pairs)
    return [(meaning, text, count) for (meaning, text), count in sorted(counts.items())]


def _bin(similarity: float) -> float:
    return min(int(similarity * BINS), BINS - 1) / BINS
