"""What a model answers to one text, and how the value of a listed key is taken from its probabilities."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from promptstill.answers.schema.script import Slot

# The logarithms of the probabilities of a slot's pieces for each row of a batch, shape (rows, pieces), after
# a look at the rows' positions in `texts`.
Judge: TypeAlias = Callable[[str, Sequence[int], np.ndarray], np.ndarray]


@dataclass
class Reply:
    """What a model answers to one text: a piece for each slot.

    `probabilities` has the probability of each piece, given the pieces before it, by the slot's key;
    `log_probabilities` has those of all pieces of every closed slot. `cut_off` says that a free value reached
    the limit of tokens before its end.
    """

    pieces: list[str] = field(default_factory=list)
    probabilities: dict[str, float] = field(default_factory=dict)
    log_probabilities: dict[str, np.ndarray] = field(default_factory=dict)
    cut_off: bool = False


def undecided(key: str, rows: Sequence[int], values: np.ndarray) -> np.ndarray:
    """The probabilities of the model as they are."""
    return values


def implied(slot: Slot, reply: Reply) -> str | None:
    """The piece of a slot that the label before it leaves no choice about."""
    return slot.implied.get(reply.pieces[0]) if reply.pieces else None


def take(slot: Slot, values: np.ndarray, replies: Sequence[Reply]) -> list[int]:
    """Answer a closed slot with the most probable piece of each row, from log-probabilities of shape (rows,
    pieces), or with the piece that is implied; return the positions of the pieces."""
    for reply, of_row in zip(replies, values, strict=True):
        if (piece := implied(slot, reply)) is not None:
            of_row[:] = -np.inf
            of_row[slot.pieces.index(piece)] = 0.0
    taken: list[int] = values.argmax(axis=1).tolist()
    for reply, of_row, best in zip(replies, values, taken, strict=True):
        reply.pieces.append(slot.pieces[best])
        reply.probabilities[slot.key] = math.exp(of_row[best])
        reply.log_probabilities[slot.key] = of_row
    return taken
