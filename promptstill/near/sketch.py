"""Sketches: short vectors whose products are never below the cosines of the vectors that they represent.

Along the principal axes of a set, a few leading components carry most of every vector. The Cauchy-Schwarz
inequality bounds what the rest can add to a product: x . y <= p . q + |rest of x| |rest of y|. A sketch is
the leading components and, as a further component, the length of the rest. Products of sketches propose every
pair that reaches a threshold, and few other pairs, for a fraction of the multiplications. If the processor
multiplies half precision in hardware, sketches are in half precision, and the bound includes the rounding.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from promptstill.near.vectors import Vectors

if TYPE_CHECKING:
    import torch

Axes = NDArray[np.float64]

# The numbers of leading components to choose from, the number of rows that the choice is made on, and the
# number of rows that the axes are computed from.
WIDTHS = (64, 96, 128, 160, 192, 256)
TRIED_ON = 2048
AXES_FROM = 4 * TRIED_ON
# With fewer rows, whole vectors are multiplied: sketches would cost more than they save.
SKETCHED_FROM = 65_536
ROWS_AT_ONCE = 65_536


@dataclass(frozen=True)
class Precision:
    """The device and the number format that sketches are multiplied in.

    `slack` is the largest error of a product. `deciding` is the cost of one decision in double precision, in
    products of whole vectors.
    """

    device: str
    numbers: str
    slack: float
    deciding: float


# The error of a product of two unit vectors in single precision is at most about dimension * 2**-24 (Higham,
# Accuracy and Stability of Numerical Algorithms, section 3.1): less than 1e-4 up to 1,600 dimensions.
SINGLE = Precision("cpu", "float32", 1e-4, 400)
# bfloat16 has 8 significant bits. Both factors, the product and the threshold are each rounded by at most
# 2**-8, because no value exceeds 1; sums are in single precision.
HALF = Precision("cpu", "bfloat16", 4 * 2**-8 + 2e-4, 1500)
GPU = Precision("cuda", "bfloat16", HALF.slack, 300_000)


@dataclass(frozen=True)
class Sketches:
    """Sketches of shapes (n, width) and (m, width); `right` is None for pairs of one set. A pair whose cosine
    reaches t has a product of at least t - slack."""

    left: torch.Tensor
    right: torch.Tensor | None
    slack: float

    @property
    def others(self) -> torch.Tensor:
        """The right sketches, or the left sketches for pairs of one set."""
        return self.left if self.right is None else self.right


def sketches(
    left: Vectors, right: Vectors | None, min_cosine: float, precision: Precision | None = None
) -> Sketches:
    """Sketches of the rows of one or two sets, in the precision that multiplies fastest on this machine.

    `left` and `right` have shapes (n, dimension) and (m, dimension) and hold unit vectors. The number of
    components is the one with the lowest cost at this threshold, measured on a sample of the rows.
    """
    import torch

    chosen = precision or fastest()
    axes = _axes(left, left if right is None else right, min_cosine, chosen)

    def sketch(vectors: Vectors) -> torch.Tensor:
        starts = range(0, max(1, len(vectors)), ROWS_AT_ONCE)
        parts = [_with_rest(vectors[start : start + ROWS_AT_ONCE], axes) for start in starts]
        numbers = getattr(torch, chosen.numbers)
        return torch.cat([torch.from_numpy(part).to(chosen.device, numbers) for part in parts])

    return Sketches(sketch(left), None if right is None else sketch(right), chosen.slack)


def fastest(gpu: bool = True) -> Precision:
    """The precision for this machine, with or without its GPU: half if it is multiplied in hardware."""
    import torch

    if gpu and torch.cuda.is_available():
        # Otherwise sums may be in half precision too, which the slack does not cover.
        torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction = False
        return GPU
    can = torch.cpu.get_capabilities()
    return HALF if any(can.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16")) else SINGLE


def _axes(left: Vectors, right: Vectors, min_cosine: float, precision: Precision) -> Axes | None:
    """The leading principal axes, of shape (dimension, width), with the lowest cost of products and decisions
    on a sample; None if whole vectors cost less."""
    if len(left) * len(right) < SKETCHED_FROM**2:
        return None
    # The samples differ from the rows that the axes are computed from, because axes fit those rows better
    # than others; and they differ from each other, because a row would be paired with itself.
    a, b = _spread(left, TRIED_ON, 1), _spread(right, TRIED_ON, 2)
    exact = _spread(left, AXES_FROM, 0).astype(np.float64)
    axes = np.linalg.eigh(exact.T @ exact)[1][:, ::-1]
    dimension = len(axes)
    best, least = None, 1.0
    for width in WIDTHS:
        if width < dimension:
            leading = np.ascontiguousarray(axes[:, :width])
            proposed = np.mean(
                _with_rest(a, leading) @ _with_rest(b, leading).T >= min_cosine - precision.slack
            )
            cost = (width + 1) / dimension + precision.deciding * float(proposed)
            if cost < least:
                best, least = leading, cost
    return best


def _spread(vectors: Vectors, count: int, first: int) -> Vectors:
    """About `count` rows, evenly spread over all of them."""
    return vectors[min(first, len(vectors) - 1) :: max(1, len(vectors) // count)]


def _with_rest(vectors: Vectors, axes: Axes | None) -> Vectors:
    """Components along the axes and the length of the rest; without axes, whole vectors."""
    if axes is None:
        return vectors
    exact = vectors.astype(np.float64)
    leading = exact @ axes
    rest = np.linalg.norm(exact - leading @ axes.T, axis=1, keepdims=True)
    return np.hstack([leading, rest]).astype(np.float32)
