"""The moving average of an adapter, which is what is judged and kept."""

from __future__ import annotations

import torch
from torch import Tensor


def move_average(average: dict[str, Tensor], adapter: dict[str, Tensor], decay: float, step: int) -> None:
    """Exponential moving average of the weights. Its memory grows with the number of steps, so that the first
    steps carry no weight at the end."""
    keep = min(decay, step / (step + 10))
    with torch.no_grad():
        for name, value in average.items():
            value.lerp_(adapter[name], 1 - keep)


class in_place_of:
    """Evaluate with other weights, then put the adapter's own back."""

    def __init__(self, adapter: dict[str, Tensor], other: dict[str, Tensor]) -> None:
        self._adapter, self._other = adapter, other

    def _swap(self) -> None:
        with torch.no_grad():
            for name, parameter in self._adapter.items():
                held = parameter.detach().clone()
                parameter.copy_(self._other[name])
                self._other[name].copy_(held)

    def __enter__(self) -> None:
        self._swap()

    def __exit__(self, *_: object) -> None:
        self._swap()
