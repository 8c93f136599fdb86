"""The frozen lower layers run once: their outputs are the training set of the adapted upper layers.

Below the first adapter nothing changes between epochs, so the hidden states there depend only on the input.
Keeping them saves the lower layers' share of every epoch after the first.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from promptstill.console.errors import UserError
from promptstill.console.progress import progress
from stages.train.examples import Example
from stages.train.memory import enough_memory

# What computes the logits of a training step: the model cut in two, or the whole model.
Runner: TypeAlias = "LayeredModel | WholeModel"
LINEAR = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
BATCH = 32
# Both ways add the same numbers in nearly the same order, so in float32 they agree to about six digits.
TOLERANCE = 1e-3


class LayeredModel:
    """A causal language model of the Llama family, cut in two at the first adapted layer."""

    def __init__(self, model: Any, adapted_layers: int) -> None:  # noqa: ANN401
        """Raises UserError for a model without the parts of the family, or with too few layers."""
        self.decoder = cast(Any, getattr(model, "model", None))
        layers = getattr(self.decoder, "layers", None)
        if not isinstance(layers, nn.ModuleList) or not hasattr(self.decoder, "norm"):
            raise _other_family(model, "`model.layers` and `model.norm`")
        parts = {name.rpartition(".")[2] for name, _ in layers[-1].named_modules()}
        if not parts.issuperset(LINEAR):
            raise _other_family(model, f"`{min(set(LINEAR) - parts)}` in its layers")
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
        # Gradient checkpointing marks what the embeddings return as something that needs a gradient.
        return hidden.detach()

    def logits(self, hidden: Tensor, positions: Tensor, tokens: Tensor | None = None) -> Tensor:
        """Logits of shape (selected, tokens) from lower hidden states, at the positions where the mask is
        true, of `tokens` or of the whole vocabulary.

        No attention mask is needed: padding is on the right, which causal attention never sees.
        """
        with self._only(self.cut, len(self.layers)):
            upper: Tensor = self.decoder(inputs_embeds=hidden, use_cache=False).last_hidden_state
        chosen = upper[positions]
        if tokens is None:
            logits: Tensor = self.head(chosen)
            return logits
        bias = self.head.bias if self.head.bias is None else self.head.bias[tokens]
        return functional.linear(chosen, self.head.weight[tokens], bias)


def _other_family(model: Any, lacking: str) -> UserError:  # noqa: ANN401
    return UserError(
        f"train.base: {type(model).__name__} has no {lacking}; use a model of the Llama, Mistral, Qwen, "
        "Gemma, Granite or SmolLM family"
    )


class WholeModel:
    """A causal language model that runs as it is, frozen layers in every step."""

    def __init__(self, model: Any) -> None:  # noqa: ANN401
        self.model = model
        self.head = model.get_output_embeddings()

    def lower(self, ids: Tensor) -> Tensor:
        """Embeddings of shape (batch, length, width): nothing else is computed ahead."""
        with torch.no_grad():
            embedded: Tensor = self.model.get_input_embeddings()(ids)
        return embedded.detach()

    def logits(self, embedded: Tensor, positions: Tensor, tokens: Tensor | None = None) -> Tensor:
        """Logits of shape (selected, tokens) from embeddings, at the positions where the mask is true, of
        `tokens` or of the whole vocabulary."""
        first = int(positions.any(0).int().argmax())
        kept = embedded.shape[1] - first
        logits: Tensor = self.model(inputs_embeds=embedded, use_cache=False, logits_to_keep=kept).logits
        chosen = logits[positions[:, first:]]
        return chosen if tokens is None else chosen[:, tokens]


def runner(model: Any, adapted_layers: int, examples: list[Example], pad: int) -> Runner:  # noqa: ANN401
    """The model cut in two if the halves compute what the whole does, else the whole model.

    Some families do more between their layers than the Llama family: Granite scales embeddings and logits,
    Gemma scales embeddings, and layers may differ in their attention. So both ways answer a batch with the
    longest example, whose length reaches all of the attention that training will use.
    """
    layered, whole = LayeredModel(model, adapted_layers), WholeModel(model)
    by_length = sorted(examples, key=lambda example: (-len(example.ids), example.ids))
    batch = [*by_length[:1], *by_length[-1:]]
    ids = padded_ids(batch, pad).to(layered.head.weight.device)
    positions = target_positions(batch).to(ids.device)
    with torch.no_grad():
        expected = whole.logits(whole.lower(ids), positions)
        halves = layered.logits(layered.lower(ids), positions)
    largest = max(1.0, float(expected.abs().max()))
    return layered if float((expected - halves).abs().max()) <= TOLERANCE * largest else whole


def whole_model(run: Runner, model: Any) -> list[str]:  # noqa: ANN401
    """A line about a model that runs as a whole, or nothing."""
    if isinstance(run, LayeredModel):
        return []
    return [
        f"{type(model).__name__} computes otherwise when it is cut in two, so its frozen layers ran in every "
        "step; a model of the Llama family trains faster"
    ]


def target_positions(examples: list[Example]) -> Tensor:
    """A mask of shape (batch, longest - 1): the positions from which the targets are predicted."""
    mask = torch.zeros(len(examples), max(len(example.ids) for example in examples) - 1, dtype=torch.bool)
    for row, example in zip(mask, examples, strict=True):
        # The token at position t is predicted from position t - 1.
        row[[target.position - 1 for target in example.targets]] = True
    return mask


def hidden_states(examples: list[Example], model: Runner, cache_gb: float, pad: int) -> list[Tensor] | None:
    """Lower hidden states of each example, of shape (length - 1, width): the last token is only a target.

    None if they would need more than `cache_gb` of memory, or if the model runs as a whole; then every step
    computes them again. Raises UserError if memory runs out.
    """
    if isinstance(model, WholeModel):
        return None
    device = model.head.weight.device
    width = model.head.weight.shape[1]
    if sum(len(example.ids) - 1 for example in examples) * width * 4 > cache_gb * 2**30:
        return None
    states: dict[int, Tensor] = {}
    order = sorted(range(len(examples)), key=lambda i: (len(examples[i].ids), i))
    with (
        progress(len(examples), "frozen layers") as bar,
        enough_memory("keeping the outputs of the frozen layers", "train.cache_gb"),
    ):
        for start in range(0, len(order), BATCH):
            batch = order[start : start + BATCH]
            hidden = model.lower(padded_ids([examples[i] for i in batch], pad).to(device))
            for row, i in zip(hidden, batch, strict=True):
                states[i] = row[: len(examples[i].ids) - 1].clone()
            bar.update(len(batch))
    return [states[i] for i in range(len(examples))]


def padded_ids(examples: list[Example], pad: int) -> Tensor:
    """Token ids of shape (batch, longest - 1), padded to the right, each without its last token."""
    longest = max(len(example.ids) for example in examples) - 1
    rows = [example.ids[:-1] + [pad] * (longest - len(example.ids) + 1) for example in examples]
    return torch.tensor(rows)
