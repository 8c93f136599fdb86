"""Pairs of one set of texts that are alike by their n-grams, whatever they mean.

Every pair is compared, and none is missed. The n-grams of a text are counted in buckets. A product of the
counts of one text with the occupied buckets of another is never below the number of n-grams that both have,
so it proposes every pair that shares enough. A proposed pair is decided by its n-grams themselves, which does
not depend on buckets, blocks or the precision of the products. Memory is four bytes for an n-gram, and one
block of products.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from promptstill.console.progress import progress
from promptstill.near.ngrams import Counts, Measure, similarity_of
from promptstill.near.sketch import fastest

if TYPE_CHECKING:
    import torch

BLOCK = 1024
# For each n-gram of the longest text of a block: with two, a bucket is occupied by chance in two of five
# cases, and few pairs are proposed that share too few n-grams.
BUCKETS = 2
LEAST_BUCKETS, MOST_BUCKETS = 128, 8192
# In half precision, counts, threshold and product are each rounded by at most 2**-9.
SLACK = 1 - 2**-7
# An odd number near 2**64 divided by the golden ratio spreads n-grams over all hashes (Knuth, The Art of
# Computer Programming, section 6.4).
MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True)
class _Hashed:
    """Hashes of the n-grams of texts in ascending order of their number: those of text i are
    `flat[starts[i] : starts[i + 1]]`. `order` has the positions of the texts in the list given."""

    flat: NDArray[np.uint32]
    starts: Counts
    order: Counts

    def counts(self, first: int) -> Counts:
        """How many n-grams the texts of a block have."""
        return np.diff(self.starts[first : first + BLOCK + 1])

    def buckets(self, first: int, width: int) -> NDArray[np.float32]:
        """How many n-grams of each text of a block fall in each bucket; shape (texts, width)."""
        ends = self.starts[first : first + BLOCK + 1]
        hashes = self.flat[ends[0] : ends[-1]].astype(np.uint64)
        bucket = (hashes * np.uint64(width) >> np.uint64(32)).astype(np.int64)
        rows = np.repeat(np.arange(len(ends) - 1), np.diff(ends))
        filled = np.bincount(rows * width + bucket, minlength=(len(ends) - 1) * width)
        return filled.reshape(-1, width).astype(np.float32)


def alike_texts(texts: list[str], least: float, measure: Measure) -> list[tuple[int, int, float]]:
    """Positions `left < right` and similarity of all pairs of texts that reach `least`, in order."""
    hashed = _hashed(texts, measure)
    pairs = []
    for a, b in _proposed(hashed, least, measure):
        left, right = sorted((int(hashed.order[a]), int(hashed.order[b])))
        similarity = similarity_of(texts[left], texts[right], measure)
        if similarity >= least:
            pairs.append((left, right, similarity))
    return sorted(pairs)


def _hashed(texts: list[str], measure: Measure) -> _Hashed:
    """The texts that have enough n-grams."""
    counts = np.empty(len(texts), dtype=np.int64)
    parts = []
    for i, text in enumerate(texts):
        grams = measure.grams(text)
        counts[i] = len(grams)
        parts.append((grams * MULTIPLIER >> np.uint64(32)).astype(np.uint32))
    order = np.argsort(counts, kind="stable")
    order = order[counts[order] >= measure.least_grams]
    starts = np.concatenate([[0], np.cumsum(counts[order])])
    flat = np.concatenate([np.empty(0, dtype=np.uint32), *(parts[i] for i in order)])
    return _Hashed(flat, starts, order)


def _proposed(hashed: _Hashed, least: float, measure: Measure) -> Iterator[tuple[int, int]]:
    """Pairs of texts, by their place in the order, that may share enough n-grams."""
    # Imported here, because it takes a second.
    import torch

    numbers = getattr(torch, fastest(gpu=False).numbers)
    starts = range(0, len(hashed.order), BLOCK)
    with progress(len(starts) * (len(starts) + 1) // 2, "comparing texts", "block") as bar:
        for j in starts:
            longer = hashed.counts(j)
            width = min(max(LEAST_BUCKETS, -(-BUCKETS * int(longer[-1]) // 64) * 64), MOST_BUCKETS)
            occupied = torch.from_numpy(np.minimum(hashed.buckets(j, width), 1)).to(numbers).T
            for i in starts[: j // BLOCK + 1]:
                bar.update()
                shorter = hashed.counts(i)
                if measure.least_shared(least, shorter[-1:], longer[:1])[0, 0] > shorter[-1]:
                    continue
                products = torch.from_numpy(hashed.buckets(i, width)).to(numbers) @ occupied
                for a, b in _reaching(products, shorter, longer, least * SLACK, measure):
                    if i + a < j + b:
                        yield i + a, j + b


def _reaching(
    products: torch.Tensor, shorter: Counts, longer: Counts, least: float, measure: Measure
) -> Iterator[tuple[int, int]]:
    """Rows and columns of the products that allow the similarity `least`."""
    import torch

    # Most rows of most blocks do not even reach what they must share with the shortest of the longer texts,
    # and their largest product is cheap to find.
    loosest = torch.from_numpy(measure.least_shared(least, shorter, longer[:1])[:, 0])
    rows = torch.nonzero(products.amax(dim=1) >= loosest.to(products.dtype)).flatten()
    enough = torch.from_numpy(measure.least_shared(least, shorter[rows.numpy()], longer))
    at, columns = torch.nonzero(products[rows] >= enough.to(products.dtype), as_tuple=True)
    return zip(rows[at].tolist(), columns.tolist(), strict=True)
