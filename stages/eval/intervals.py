"""Intervals of a proportion over cases that may depend on each other.

Rows of a component (an account, a thread, near-duplicates) are right or wrong together, so they count for
less than as many independent rows. Where components have several cases, the interval is the percentile
bootstrap over whole components (Davison and Hinkley 1997, section 3.8). Elsewhere it is Wilson's.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.stats import norm, t

RESAMPLES = 2_000
# With fewer components the bootstrap is too narrow. A component then counts as one observation.
FEWEST_COMPONENTS = 10
# Cells of a block of resampling weights, which bounds memory for a large test set.
BLOCK = 10_000_000


def wilson(hits: float, count: int, level: float) -> tuple[float, float]:
    """Wilson score interval of a proportion (Wilson 1927); (0, 1) for no observation."""
    if not count:
        return 0.0, 1.0
    z = float(norm.ppf((1 + level) / 2))
    share, spread = hits / count, z * z / count
    centre = (share + spread / 2) / (1 + spread)
    half = z * ((share * (1 - share) / count + spread / (4 * count)) ** 0.5) / (1 + spread)
    return round(max(0.0, centre - half), 4), round(min(1.0, centre + half), 4)


def interval(right: Sequence[float], components: Sequence[str], level: float) -> tuple[float, float]:
    """The interval of the mean of `right`, where cases of equal `components` depend on each other.

    Values are 0 or 1, or between them, such as an F1. Wilson's interval is then too wide, because values
    between 0 and 1 vary less than zeros and ones of the same mean.
    """
    names, of_case = np.unique(np.array(components, dtype=object), return_inverse=True)
    hits, sizes = np.bincount(of_case, weights=right), np.bincount(of_case)
    if len(names) == len(right):
        return wilson(float(hits.sum()), len(right), level)
    if len(names) < FEWEST_COMPONENTS or min(right) == 1 or not any(right):
        return wilson(float(hits.sum() / sizes.sum()) * len(names), len(names), level)
    shares = _resampled(hits, sizes)
    low, high = np.quantile(shares, [(1 - level) / 2, (1 + level) / 2])
    return round(float(low), 4), round(float(high), 4)


def difference(
    left: Sequence[float], right: Sequence[float], components: Sequence[str], level: float
) -> tuple[float, float, float]:
    """The mean of `left` minus the mean of `right` over the same cases, with its interval.

    This is the adjusted Wald interval for matched pairs (Agresti and Min 2005), with components as the
    clusters of its variance. It adds one observation in which both agree, and one in which they differ, half
    of it for each side. So two that never differ are not declared equal for certain. Where components have
    several cases, the quantile is Student's, because the variance is then estimated from few sums.
    """
    _, of_case = np.unique(np.array(components, dtype=object), return_inverse=True)
    sizes = np.bincount(of_case)
    gains = np.bincount(of_case, weights=np.subtract(left, right, dtype=float))
    cases = float(sizes.sum())
    value = float(gains.sum() / cases) if cases else 0.0
    alone = len(sizes) == cases
    if not cases or (len(sizes) == 1 and not alone):
        return round(value, 4), -1.0, 1.0
    # An added observation is as large as a component is on average.
    size = cases / len(sizes)
    whole = cases + 2 * size
    centre = gains.sum() / whole
    spread = ((gains - centre * sizes) ** 2).sum() + size**2 * (1 + 2 * centre**2)
    quantile = norm.ppf((1 + level) / 2) if alone else t.ppf((1 + level) / 2, len(sizes) - 1)
    half = float(quantile) * spread**0.5 / whole
    low, high = max(-1.0, centre - half), min(1.0, centre + half)
    return round(value, 4), round(float(low), 4), round(float(high), 4)


def _resampled(hits: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Shares of `RESAMPLES` draws of components with replacement, from a fixed seed; shape (RESAMPLES,)."""
    generator, count = np.random.default_rng(0), len(sizes)
    block = max(1, BLOCK // count)
    shares = []
    for start in range(0, RESAMPLES, block):
        draws = min(block, RESAMPLES - start)
        weights = generator.multinomial(count, np.full(count, 1 / count), size=draws)
        shares.append((weights @ hits) / (weights @ sizes))
    return np.concatenate(shares)
