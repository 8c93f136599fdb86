"""What the training loop needs of a student, whatever its kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

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
        """One for each row."""

    def losses(self, batch: Sequence[int], dropped: float = 0.0) -> tuple[Tensor, Tensor]:
        """Of all targets of a batch, in order: their share of the loss, and whether the student decides them
        rightly. A random share `dropped` of the tokens of each input is hidden."""

    def targets(self, batch: Sequence[int]) -> Sequence[Sequence[Scored]]:
        """The targets of each row of a batch."""


@dataclass(frozen=True)
class Untrained:
    """A model with new adapters, its tokenizer, what it learns from by the name of the split, and lines about
    it for the summary of the stage."""

    model: Any
    tokenizer: Any
    data: Mapping[str, Learnable]
    notes: list[str]
