"""Sketches: short vectors whose products are never below the cosines of the vectors that they stand for.

Along the principal axes of a set, a few components hold most of every vector. For the rest the inequality of
Cauchy and Schwarz gives the most that two vectors can add: x . y <= p . q + |rest of x| |rest of y|. So the
leading components with the length of the rest as one more make a vector that proposes every pair which
reaches a threshold, and few that do not, for a fraction of the products. Where the processor multiplies in
half precision, sketches are in half precision, and what that may be off by is added to the bound.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch

Vectors = NDArray[np.float32]
Axes = NDArray[np.float64]

# Numbers of leading components that are tried, the rows that they are tried on, and the rows that the axes
# are made from.
WIDTHS = (64, 96, 128, 160, 192, 256)
TRIED_ON = 2048
AXES_FROM = 4 * TRIED_ON
# Fewer pairs than those of so many rows are multiplied whole: sketches would cost more than they save.
SKETCHED_FROM = 65_536
ROWS_AT_ONCE = 65_536


@dataclass(frozen=True)
class Precision:
    """Where and in what numbers sketches are multiplied.

    `slack` is what a product may be off by; `deciding` is how many products of whole vectors one decision in
    double precision costs.
    """

    device: str
    numbers: str
    slack: float
    deciding: float


# A product of two vectors of length 1 in single precision is off by at most about dimension * 2**-24 (Higham,
# Accuracy and Stability of Numerical Algorithms, section 3.1): less than 1e-4 up to 1,600 dimensions.
SINGLE = Precision("cpu", "float32", 1e-4, 400)
# bfloat16 has 8 significant bits: both factors, the product and the threshold that it is compared with are
# each rounded by at most 2**-8 of values that do not exceed 1; sums are in single precision.
HALF = Precision("cpu", "bfloat16", 4 * 2**-8 + 2e-4, 1500)
GPU = Precision("cuda", "bfloat16", HALF.slack, 300_000)


@dataclass(frozen=True)
class Sketches:
    """Sketches of shapes (n, width) and (m, width), `right` None for pairs of one set: a pair whose cosine
    reaches t has a product of at least t - slack."""

    left: torch.Tensor
    right: torch.Tensor | None
    slack: float

    @property
    def others(self) -> torch.Tensor:
        """The right ones, or the left ones again."""
        return self.left if self.right is None else self.right


def sketches(
    left: Vectors, right: Vectors | None, threshold: float, precision: Precision | None = None
) -> Sketches:
    """Sketches of the rows of one set, or of two, in the precision that multiplies fastest here.

    `left` and `right` have shapes (n, dimension) and (m, dimension), rows of length 1. How many components
    are kept is what costs least at this threshold for a sample of the rows.
    """
    import torch

    chosen = precision or fastest()
    axes = _axes(left, left if right is None else right, threshold, chosen)

    def sketch(vectors: Vectors) -> torch.Tensor:
        starts = range(0, max(1, len(vectors)), ROWS_AT_ONCE)
        parts = [_with_rest(vectors[start : start + ROWS_AT_ONCE], axes) for start in starts]
        numbers = getattr(torch, chosen.numbers)
        return torch.cat([torch.from_numpy(part).to(chosen.device, numbers) for part in parts])

    return Sketches(sketch(left), None if right is None else sketch(right), chosen.slack)


def fastest(gpu: bool = True) -> Precision:
    """The precision for this machine, with or without its GPU: half where it is multiplied in hardware."""
    import torch

    if gpu and torch.cuda.is_available():
        # Else sums may be kept in half precision too, which the slack does not cover.
        torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction = False
        return GPU
    can = torch.cpu.get_capabilities()
    return HALF if any(can.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16")) else SINGLE


def _axes(left: Vectors, right: Vectors, threshold: float, precision: Precision) -> Axes | None:
    """The leading principal axes of shape (dimension, width) whose products and decisions cost least on a
    sample; None where whole vectors cost less."""
    if len(left) * len(right) < SKETCHED_FROM**2:
        return None
    # Other rows than those that the axes are made from, which the axes fit better than the rest; and two
    # different samples, because a row would be paired with itself.
    a, b = _spread(left, TRIED_ON, 1), _spread(right, TRIED_ON, 2)
    exact = _spread(left, AXES_FROM, 0).astype(np.float64)
    axes = np.linalg.eigh(exact.T @ exact)[1][:, ::-1]
    dimension = len(axes)
    best, least = None, 1.0
    for width in WIDTHS:
        if width < dimension:
            leading = np.ascontiguousarray(axes[:, :width])
            proposed = np.mean(
                _with_rest(a, leading) @ _with_rest(b, leading).T >= threshold - precision.slack
            )
            cost = (width + 1) / dimension + precision.deciding * float(proposed)
            if cost < least:
                best, least = leading, cost
    return best


def _spread(vectors: Vectors, count: int, first: int) -> Vectors:
    """About `count` rows, evenly spread over all of them."""
    return vectors[min(first, len(vectors) - 1) :: max(1, len(vectors) // count)]


def _with_rest(vectors: Vectors, axes: Axes | None) -> Vectors:
    """Components along the axes, and the length of what they leave out; whole vectors without axes."""
    if axes is None:
        return vectors
    exact = vectors.astype(np.float64)
    leading = exact @ axes
    rest = np.linalg.norm(exact - leading @ axes.T, axis=1, keepdims=True)
    return np.hstack([leading, rest]).astype(np.float32)
