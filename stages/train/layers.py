"""The frozen lower layers run once: their outputs are the training set of the adapted upper layers.

Below the first adapter nothing changes between epochs, so hidden states there are a function of the input
alone. Keeping them saves the lower layers' share of every epoch after the first.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch import Tensor, nn

from stages.shared.errors import UserError
from stages.shared.report import progress
from stages.train.examples import Example

LINEAR = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
BATCH = 16


class LayeredModel:
    """A causal language model of the Llama family, cut in two at the first adapted layer."""

    def __init__(self, model: Any, adapted_layers: int) -> None:  # noqa: ANN401
        """Raises UserError for a model without the family's parts or with too few layers."""
        self.decoder = cast(Any, getattr(model, "model", None))
        layers = getattr(self.decoder, "layers", None)
        if not isinstance(layers, nn.ModuleList) or not hasattr(self.decoder, "norm"):
            raise UserError(
                f"train.base: {type(model).__name__} has no `model.layers` and `model.norm`; "
                "take a model of the Llama, Mistral, Qwen or SmolLM family"
            )
        self.head = model.get_output_embeddings()
        self.layers, self.norm = layers, self.decoder.norm
        if adapted_layers > len(self.layers):
            raise UserError(
                f"train.adapted_layers: {adapted_layers}, but the base has {len(self.layers)}; lower it"
            )
        self.cut = len(self.layers) - adapted_layers

    @contextmanager
    def _only(self, start: int, stop: int) -> Iterator[None]:
        self.decoder.layers = nn.ModuleList(self.layers[start:stop])
        self.decoder.norm = self.norm if stop == len(self.layers) else nn.Identity()
        try:
            yield
        finally:
            self.decoder.layers, self.decoder.norm = self.layers, self.norm

    def lower(self, ids: Tensor) -> Tensor:
        """Hidden states of shape (batch, length, width) above the frozen layers, for ids of shape (batch,
        length)."""
        with torch.no_grad(), self._only(0, self.cut):
            hidden: Tensor = self.decoder(input_ids=ids, use_cache=False).last_hidden_state
        return hidden

    def answer_logits(self, hidden: Tensor, positions: Tensor) -> Tensor:
        """Logits of shape (selected, vocabulary) from lower hidden states, at the positions where the mask is
        true.

        No attention mask is needed: padding stands to the right, where causal attention never looks.
        """
        with self._only(self.cut, len(self.layers)):
            upper: Tensor = self.decoder(inputs_embeds=hidden, use_cache=False).last_hidden_state
        logits: Tensor = self.head(upper[positions])
        return logits


def hidden_states(
    examples: list[Example], model: LayeredModel, cache_gb: float, pad: int
) -> list[Tensor] | None:
    """Lower hidden states of each example, shape (length - 1, width): the last token is only ever a target.

    None where they would need more than `cache_gb` of memory; then every step computes them anew.
    """
    device = model.head.weight.device
    width = model.head.weight.shape[1]
    if sum(len(one.ids) - 1 for one in examples) * width * 4 > cache_gb * 2**30:
        return None
    found: dict[int, Tensor] = {}
    order = sorted(range(len(examples)), key=lambda i: (len(examples[i].ids), i))
    with progress(len(examples), "frozen layers") as bar:
        for start in range(0, len(order), BATCH):
            batch = order[start : start + BATCH]
            hidden = model.lower(padded_ids([examples[i] for i in batch], pad).to(device))
            for row, i in zip(hidden, batch, strict=True):
                found[i] = row[: len(examples[i].ids) - 1].clone()
            bar.update(len(batch))
    return [found[i] for i in range(len(examples))]


def padded_ids(examples: list[Example], pad: int) -> Tensor:
    """Token ids of shape (batch, longest - 1), padded to the right, each without its last token."""
    longest = max(len(one.ids) for one in examples) - 1
    return torch.tensor([one.ids[:-1] + [pad] * (longest - len(one.ids) + 1) for one in examples])
