"""A text encoder with new adapters and heads, and what it learns from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from torch import Tensor, nn
from torch.nn import functional

from promptstill.answers.schema.form import AnswerForm
from promptstill.answers.schema.script import Script
from promptstill.console.errors import UserError
from promptstill.models.encoder import Encoder, load_text_encoder, padded, pooling_of, text_ids
from promptstill.models.products import fuse
from promptstill.models.student import load_tokenizer
from promptstill.models.tokens import around_text
from promptstill.rows.row import SplitRow
from stages.train.guards import refuse_free_values
from stages.train.learnable import Untrained, drawn
from stages.train.params import TrainParams


@dataclass(frozen=True)
class Target:
    """The right piece of a slot by its position; `scored` says whether a metric compares the slot's key."""

    piece: int
    scored: bool


@dataclass(frozen=True)
class Example:
    """Token ids of a text, and a target for each slot."""

    ids: list[int]
    targets: list[Target]


class EncoderData:
    """Examples and what an encoder gives to their targets."""

    def __init__(self, examples: list[Example], model: Encoder, pad: int, around: tuple[int, int]) -> None:
        """`around` are the numbers of special tokens before and after each text, which are never hidden."""
        self.examples = examples
        self._model, self._pad, self._around = model, pad, around

    def of_epoch(self, epoch: int) -> range:
        """The positions of all examples, in every epoch."""
        return range(len(self.examples))

    def seen(self, batch: Sequence[int], dropped: float) -> list[Tensor]:
        """For each row of a batch, which tokens of its text are seen: all but a random share `dropped`, so
        that a row cannot be learnt by a single token of it."""
        return [drawn(self._text(self.examples[i]), dropped) for i in batch]

    def losses(self, batch: Sequence[int], seen: Sequence[Tensor] | None = None) -> tuple[Tensor, Tensor]:
        """Of all targets of a batch, in order: minus the logarithm of the probability of the right piece, and
        whether it is the most probable one. `seen` is that of the rows; None: all tokens are."""
        chosen = [self.examples[i] for i in batch]
        ids, attended = padded([example.ids for example in chosen], self._pad)
        if seen is not None:
            for row, example, of_row in zip(attended, chosen, seen, strict=True):
                row[slice(*self._text(example))] = of_row
        logits = self._model(ids.to(self._model.device), attended.to(self._model.device))
        right = torch.tensor([[t.piece for t in example.targets] for example in chosen])
        columns = [
            (functional.cross_entropy(of_slot, truth, reduction="none"), of_slot.argmax(-1) == truth)
            for of_slot, truth in zip(logits, right.to(self._model.device).unbind(1), strict=True)
        ]
        losses, hits = (torch.stack(parts, dim=1).flatten() for parts in zip(*columns, strict=True))
        return losses, hits

    def targets(self, batch: Sequence[int]) -> list[list[Target]]:
        """The targets of each row of a batch."""
        return [self.examples[i].targets for i in batch]

    def _text(self, example: Example) -> tuple[int, int]:
        """The positions of the text, without the special tokens around it."""
        before, after = self._around
        return before, len(example.ids) - after


def untrained(rows: Mapping[str, Sequence[SplitRow]], form: AnswerForm, params: TrainParams) -> Untrained:
    """The base with adapters on its upper layers and with heads, and the rows as tokens, by the name of the
    split."""
    tokenizer = load_tokenizer(params.base, "encoder")
    script, base = Script(form), load_text_encoder(params.base)
    refuse_free_values(script, "train")
    before, after = map(len, around_text(tokenizer))
    if not reads(base, params.max_input_tokens + before + after, tokenizer):
        raise UserError(
            f"train.max_input_tokens: {params.max_input_tokens}, which with {before + after} tokens around a "
            f"text is more than {params.base} reads; lower it"
        )
    # Seeded here, so that what was loaded before draws no random number of the adapter.
    torch.manual_seed(params.seed)
    model = Encoder(with_lora(base, params), pooling_of(params.base), script.slots)
    scored = [slot.key in script.scored for slot in script.slots]
    pieces = [{piece: i for i, piece in enumerate(slot.pieces)} for slot in script.slots]
    data = {}
    for name, part in rows.items():
        examples = [
            Example(
                text_ids(row["input"], tokenizer, params.max_input_tokens),
                [
                    Target(positions[piece], counts)
                    for positions, piece, counts in zip(
                        pieces, script.pieces(row["answer"]), scored, strict=True
                    )
                ],
            )
            for row in part
        ]
        data[name] = EncoderData(examples, model, tokenizer.pad_token_id, (before, after))
    return Untrained(model, tokenizer, data, [])


def reads(base: Any, tokens: int, tokenizer: Any) -> bool:  # noqa: ANN401
    """Whether the encoder can read a text of this number of tokens. It is tried, because encoders count their
    positions in several ways."""
    if tokens > tokenizer.model_max_length:
        return False
    text = next(i for i in range(len(tokenizer)) if i not in tokenizer.all_special_ids)
    try:
        with torch.inference_mode():
            base(input_ids=torch.full((1, tokens), text, device=base.device))
    except (IndexError, RuntimeError):
        return False
    return True


def with_lora(base: Any, params: TrainParams) -> Any:  # noqa: ANN401
    """The encoder with new adapters on all linear maps of its upper layers.

    Raises UserError for an encoder without a list of its layers, or with too few.
    """
    count = base.config.num_hidden_layers
    lists = [
        (name, part)
        for name, part in base.named_modules()
        if isinstance(part, nn.ModuleList) and len(part) == count
    ]
    if not lists:
        raise UserError(f"train.base: {type(base).__name__} has no list of layers; use another encoder")
    if params.adapted_layers > count:
        raise UserError(f"train.adapted_layers: {params.adapted_layers}, but the base has {count}; lower it")
    place, layers = lists[0]
    inside = {name.rpartition(".")[2] for name, part in layers.named_modules() if isinstance(part, nn.Linear)}
    lora = LoraConfig(
        r=params.rank,
        lora_alpha=params.alpha,
        target_modules=sorted(inside),
        layers_to_transform=list(range(count - params.adapted_layers, count)),
        layers_pattern=place,
        task_type="FEATURE_EXTRACTION",
    )
    return fuse(get_peft_model(base, lora))
