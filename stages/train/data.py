"""Examples with their lower hidden states, as batches for the upper layers."""

from __future__ import annotations

import random
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from stages.train.examples import Example, Target
from stages.train.frozen_layers import Runner, hidden_states, padded_ids, target_positions
from stages.train.learnable import Sized

# The lengths of the sequences in a batch differ by less than this many tokens, which leaves little padding
# and much shuffling.
LENGTH_BUCKET = 8


class Data:
    """Examples and what the student gives to their targets.

    `tokens` are all tokens that any target is chosen among, or None for the whole vocabulary: the head is
    computed for these alone.
    """

    def __init__(
        self, examples: list[Example], model: Runner, tokens: list[int] | None, cache_gb: float, pad: int
    ) -> None:
        self.examples = examples
        self._model, self._pad = model, pad
        self._hidden = hidden_states(examples, model, cache_gb, pad)
        device = model.head.weight.device
        self._tokens = None if tokens is None else torch.tensor(tokens, device=device)
        size = model.head.weight.shape[0] if tokens is None else len(tokens)
        self._column = {token: i for i, token in enumerate(range(size) if tokens is None else tokens)}
        among = sorted({t.among for example in examples for t in example.targets if t.among is not None})
        self._barred_row = {tuple_: i for i, tuple_ in enumerate([None, *among])}
        self._barred = torch.zeros(len(self._barred_row), size, dtype=torch.bool, device=device)
        for tokens_of_row, i in self._barred_row.items():
            if tokens_of_row is not None:
                self._barred[i] = True
                self._barred[i, [self._column[token] for token in tokens_of_row]] = False

    def losses(self, batch: Sequence[int], dropped: float = 0.0) -> tuple[Tensor, Tensor]:
        """Of all targets of a batch, in order: their share of the loss, and whether they are the most
        probable token of those they are chosen among.

        A random share `dropped` of the tokens of each input is hidden from the upper layers, so that a row
        cannot be learnt by a single token of it.
        """
        chosen = [self.examples[i] for i in batch]
        device = self._model.head.weight.device
        hidden = self._lower(batch, chosen)
        if dropped:
            hidden = hidden * self._kept(chosen, hidden, dropped).to(device)
        logits = self._model.logits(hidden, target_positions(chosen).to(device), self._tokens).float()
        pairs = [(example, target) for example in chosen for target in example.targets]
        barred = self._barred[[self._barred_row[target.among] for _, target in pairs]]
        right = torch.tensor([self._column[example.ids[t.position]] for example, t in pairs], device=device)
        weights = torch.tensor([target.weight for _, target in pairs], device=device)
        logits = logits.masked_fill(barred, float("-inf"))
        losses = functional.cross_entropy(logits, right, reduction="none")
        return losses * weights, logits.argmax(-1) == right

    def targets(self, batch: Sequence[int]) -> list[list[Target]]:
        """The targets of each row of a batch."""
        return [self.examples[i].targets for i in batch]

    def _kept(self, chosen: list[Example], hidden: Tensor, dropped: float) -> Tensor:
        """1 for tokens that are seen and 0 for those that are hidden, shape (batch, length, 1)."""
        kept = torch.ones(hidden.shape[:2], dtype=hidden.dtype)
        for row, example in zip(kept, chosen, strict=True):
            first, end = example.text
            row[first:end] = (torch.rand(end - first) >= dropped).to(hidden.dtype)
        return kept[..., None]

    def _lower(self, batch: Sequence[int], chosen: list[Example]) -> Tensor:
        if self._hidden is None:
            ids = padded_ids(chosen, self._pad).to(self._model.head.weight.device)
            return self._model.lower(ids)
        longest = max(len(example.ids) for example in chosen) - 1
        rows = [self._hidden[i] for i in batch]
        return torch.stack([functional.pad(row, (0, 0, 0, longest - len(row))) for row in rows])


def batches(examples: Sequence[Sized], size: int, shuffle: random.Random) -> list[list[int]]:
    """Positions of all examples in batches of similar length, in random order."""
    rows = list(range(len(examples)))
    shuffle.shuffle(rows)
    rows.sort(key=lambda i: len(examples[i].ids) // LENGTH_BUCKET)
    parts = [rows[start : start + size] for start in range(0, len(rows), size)]
    shuffle.shuffle(parts)
    return parts
