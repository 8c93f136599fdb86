"""The tokens of an answer: one sequence for each slot of its script, and where in it the student decides.

The values of a closed slot are the leaves of a trie over tokens. Where a node has several children, the
student decides between them; where it has one, there is nothing to learn or to compute. The product of the
probabilities on the way to a leaf is the probability of its value, so those of a slot sum to 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from promptstill.answers.schema.script import Script, Slot
from promptstill.console.errors import UserError
from promptstill.models.tokens import as_text, continued

# Ends every piece but the last one, which the end token ends.
SEPARATOR = "\n"


@dataclass(frozen=True)
class Decision:
    """A position in a slot's tokens, and the tokens between which the student decides there; None for all."""

    position: int
    among: tuple[int, ...] | None


class Choices:
    """The values of one slot as a trie of tokens; `sequences` has one for each piece, its end included."""

    def __init__(self, slot: Slot, tokenizer: Any, end: int) -> None:  # noqa: ANN401
        """`end` is the token after every piece. Raises UserError if the tokenizer writes two values alike."""
        self.slot = slot
        self._tokenizer, self.end = tokenizer, end
        self.sequences = tuple(tuple(self._tokens(piece)) for piece in slot.pieces) if slot.closed else ()
        written = dict(zip(self.sequences, slot.pieces, strict=False))
        for sequence, piece in zip(self.sequences, slot.pieces, strict=False):
            if written[sequence] != piece:
                raise UserError(
                    f"train.base: its tokenizer writes {piece!r} and {written[sequence]!r} alike; use "
                    "another base, or rename one of the two values in the answer schema"
                )

    @cached_property
    def children(self) -> dict[tuple[int, ...], tuple[int, ...]]:
        """The next tokens after every beginning of a sequence, in ascending order."""
        following: dict[tuple[int, ...], set[int]] = {}
        for sequence in self.sequences:
            for i, token in enumerate(sequence):
                following.setdefault(sequence[:i], set()).add(token)
        return {beginning: tuple(sorted(tokens)) for beginning, tokens in sorted(following.items())}

    @cached_property
    def branches(self) -> dict[tuple[int, ...], tuple[int, ...]]:
        """The beginnings at which the student decides, and the tokens between which it does."""
        return {beginning: tokens for beginning, tokens in self.children.items() if len(tokens) > 1}

    @cached_property
    def nodes(self) -> tuple[tuple[int, ...], ...]:
        """The beginnings that a model must read to decide: those of the branches, without the empty one."""
        read = {branch[:i] for branch in self.branches for i in range(1, len(branch) + 1)}
        return tuple(sorted(read))

    @cached_property
    def continues(self) -> Tensor:
        """Which nodes each node continues, itself included: a mask of shape (nodes, nodes)."""
        places = {node: i for i, node in enumerate(self.nodes)}
        mask = torch.zeros(len(places), len(places), dtype=torch.bool)
        for node, i in places.items():
            mask[i, [places[node[:length]] for length in range(1, len(node) + 1)]] = True
        return mask

    def log_probabilities(self, logits: Tensor) -> np.ndarray:
        """The logarithm of the probability of each piece, shape (rows, pieces), from logits of shape
        (rows, 1 + nodes, vocabulary) before the first token and after each node."""
        steps: dict[tuple[int, ...], Tensor] = {}
        places = {node: i for i, node in enumerate([(), *self.nodes])}
        for branch, tokens in self.branches.items():
            among = logits[:, places[branch], list(tokens)].double().log_softmax(-1)
            steps |= {(*branch, token): among[:, i] for i, token in enumerate(tokens)}
        columns = []
        for sequence in self.sequences:
            taken = [
                steps[beginning] for i in range(len(sequence)) if (beginning := sequence[: i + 1]) in steps
            ]
            columns.append(torch.stack(taken).sum(0))
        return torch.stack(columns, dim=1).cpu().numpy()

    def encode(self, piece: str) -> tuple[list[int], list[Decision]]:
        """The tokens of a piece with its end, and the decisions in it."""
        ids = self._tokens(piece)
        if not self.slot.closed:
            return ids, [Decision(i, None) for i in range(len(ids))]
        among = ((i, self.branches.get(tuple(ids[:i]))) for i in range(len(ids)))
        return ids, [Decision(i, tokens) for i, tokens in among if tokens is not None]

    def _tokens(self, piece: str) -> list[int]:
        return [*continued(piece, self._tokenizer), self.end]


def choices_of(script: Script, tokenizer: Any) -> list[Choices]:  # noqa: ANN401
    """The choices of every slot, in the order of the script."""
    separator: int = as_text(SEPARATOR, tokenizer).ids[-1]
    ends = [separator] * (len(script.slots) - 1) + [tokenizer.eos_token_id]
    return [Choices(slot, tokenizer, end) for slot, end in zip(script.slots, ends, strict=True)]


def tokens_decided(choices: Sequence[Choices]) -> list[int] | None:
    """All tokens between which the student decides, in ascending order; None if it may take any token."""
    if not all(choice.slot.closed for choice in choices):
        return None
    return sorted({token for choice in choices for tokens in choice.branches.values() for token in tokens})
