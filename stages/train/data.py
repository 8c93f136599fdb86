"""Examples with their lower hidden states, as batches for the upper layers."""

from __future__ import annotations

import random
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from stages.train.examples import Example, Target
from stages.train.frozen_layers import Runner, hidden_states, padded_ids, target_positions
from stages.train.learnable import Sized, drawn

# The lengths of the sequences in a batch differ by less than this many tokens, which leaves little padding
# and much shuffling.
LENGTH_BUCKET = 8


class Data:
    """Examples and what the student gives to their targets.

    `examples` has one for each of the `rows`, or those of each epoch in turn. `tokens` are all tokens that
    any target is chosen among, or None for the whole vocabulary: the head is computed for these alone.
    """

    def __init__(
        self,
        examples: list[Example],
        rows: int,
        model: Runner,
        tokens: list[int] | None,
        cache_gb: float,
        pad: int,
    ) -> None:
        self.examples = examples
        self._rows = rows
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

    def of_epoch(self, epoch: int) -> range:
        """The positions of the examples of an epoch, counted from 1."""
        start = (epoch - 1) * self._rows % len(self.examples)
        return range(start, start + self._rows)

    def seen(self, batch: Sequence[int], dropped: float) -> list[Tensor]:
        """For each row of a batch, which tokens of its input the upper layers see: all but a random share
        `dropped`, so that a row cannot be learnt by a single token of it."""
        return [drawn(self.examples[i].text, dropped) for i in batch]

    def losses(self, batch: Sequence[int], seen: Sequence[Tensor] | None = None) -> tuple[Tensor, Tensor]:
        """Of all targets of a batch, in order: their share of the loss, and whether they are the most
        probable token of those they are chosen among. `seen` is that of the rows; None: all tokens are."""
        chosen = [self.examples[i] for i in batch]
        device = self._model.head.weight.device
        hidden = self._lower(batch, chosen)
        if seen is not None:
            hidden = hidden * self._kept(chosen, hidden, seen).to(device)
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

    def _kept(self, chosen: list[Example], hidden: Tensor, seen: Sequence[Tensor]) -> Tensor:
        """1 for tokens that are seen and 0 for those that are hidden, shape (batch, length, 1)."""
        kept = torch.ones(hidden.shape[:2], dtype=hidden.dtype)
        for row, example, of_row in zip(kept, chosen, seen, strict=True):
            row[slice(*example.text)] = of_row.to(hidden.dtype)
        return kept[..., None]

    def _lower(self, batch: Sequence[int], chosen: list[Example]) -> Tensor:
        if self._hidden is None:
            ids = padded_ids(chosen, self._pad).to(self._model.head.weight.device)
            return self._model.lower(ids)
        longest = max(len(example.ids) for example in chosen) - 1
        rows = [self._hidden[i] for i in batch]
        return torch.stack([functional.pad(row, (0, 0, 0, longest - len(row))) for row in rows])


def batches(
    examples: Sequence[Sized], positions: Sequence[int], size: int, shuffle: random.Random
) -> list[list[int]]:
    """Positions of examples in batches of similar length, in random order."""
    rows = list(positions)
    shuffle.shuffle(rows)
    rows.sort(key=lambda i: len(examples[i].ids) // LENGTH_BUCKET)
    parts = [rows[start : start + size] for start in range(0, len(rows), size)]
    shuffle.shuffle(parts)
    return parts
