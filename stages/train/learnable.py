"""What the training loop needs of a student, whatever its kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor


class Sized(Protocol):
    """An example with its token ids."""

    @property
    def ids(self) -> Sequence[int]:
        """Its length decides with which others it is in a batch."""


class Scored(Protocol):
    """A target: a decision that is learnt."""

    @property
    def scored(self) -> bool:
        """Whether a metric compares the key that it is in."""


class Learnable(Protocol):
    """Examples and what a student gives to their targets."""

    @property
    def examples(self) -> Sequence[Sized]:
        """One for each row or, if rows are varied, for each row of each epoch in turn."""

    def of_epoch(self, epoch: int) -> Sequence[int]:
        """The positions of the examples of an epoch, counted from 1."""

    def seen(self, batch: Sequence[int], dropped: float) -> Sequence[Tensor]:
        """For each row of a batch, which tokens of its input are seen; a random share `dropped` is not."""

    def losses(self, batch: Sequence[int], seen: Sequence[Tensor] | None = None) -> tuple[Tensor, Tensor]:
        """Of all targets of a batch, in order: their share of the loss, and whether the student decides them
        rightly. `seen` is that of the rows; None: all tokens are."""

    def targets(self, batch: Sequence[int]) -> Sequence[Sequence[Scored]]:
        """The targets of each row of a batch."""


def drawn(text: tuple[int, int], dropped: float) -> Tensor:
    """True for each token between two positions that is seen, false for a random share `dropped`."""
    return torch.rand(text[1] - text[0]) >= dropped


@dataclass(frozen=True)
class Untrained:
    """A model with new adapters, its tokenizer, what it learns from by the name of the split, and lines about
    it for the summary of the stage."""

    model: Any
    tokenizer: Any
    data: Mapping[str, Learnable]
    notes: list[str]
