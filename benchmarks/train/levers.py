"""Each reason for which the stage trains faster, alone in the peer's loop, and all of them together.

A lever is a function from a task to the seconds of one epoch of the Trainer, to which it changes one thing.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from benchmarks.train.peer import IGNORED, masked, padding, plain_base, trained, whole_answers, with_lora
from promptstill.answers.schema.script import Script
from promptstill.answers.spec import AnswerSpec
from promptstill.models.choices import choices_of, tokens_decided
from promptstill.models.products import fuse, quicken
from promptstill.models.student import load_base
from promptstill.rows.row import SplitRow
from stages.train.adapter import adapted
from stages.train.data import Data, batches
from stages.train.examples import Example, Target, examples_of
from stages.train.frozen_layers import LINEAR, LayeredModel, hidden_states
from stages.train.params import TrainParams

TURNS = 3
# The share of the base's layers that the lever `layers_dropped` keeps, unless the params keep fewer.
KEPT = 0.8


@dataclass(frozen=True)
class Work:
    """The rows to train on for one epoch of the peer, and the params of the task."""

    rows: Sequence[SplitRow]
    spec: AnswerSpec
    tokenizer: Any
    params: TrainParams

    @property
    def data(self) -> list[dict[str, list[int]]]:
        """The rows as the peer learns them."""
        return whole_answers(self.rows, self.spec, self.tokenizer, self.params)

    @property
    def one_epoch(self) -> TrainParams:
        """The params of the measured epoch."""
        return self.params.model_copy(update={"epochs": 1})

    def layers(self, base: Any) -> int:  # noqa: ANN401
        """The layers that `layers_dropped` keeps."""
        count: int = base.config.num_hidden_layers
        return self.params.layers or round(KEPT * count)

    def seconds(self, model: Any, data: Sequence[Any] | None = None) -> float:  # noqa: ANN401
        """An epoch of the Trainer, with the peer's rows unless others are given."""
        rows = self.data if data is None else data
        return trained(model, rows, padding(self.tokenizer), self.one_epoch)


Lever: TypeAlias = Callable[[Work], float]


class LossOf(nn.Module):
    """A model for the Trainer whose batches are numbers of rows and whose loss is that of the stage."""

    def __init__(self, student: nn.Module, data: Data) -> None:
        super().__init__()
        self.student, self._data = student, data

    def forward(self, numbers: Tensor) -> dict[str, Tensor]:
        """The mean loss of these rows."""
        rows = numbers.tolist()
        return {"loss": self._data.losses(rows)[0].sum() / len(rows)}


def peer(work: Work) -> float:
    """Nothing changed."""
    return work.seconds(with_lora(plain_base(work.params.base), work.params))


def bfloat16(work: Work) -> float:
    """Frozen weights in bfloat16, if the processor multiplies it."""
    return work.seconds(with_lora(quicken(plain_base(work.params.base)), work.params))


def fused_lora(work: Work) -> float:
    """A LoRA layer is one product, forward and backward."""
    return work.seconds(fuse(with_lora(plain_base(work.params.base), work.params)))


def upper_layers(work: Work) -> float:
    """Adapters on the upper layers only, so that the backward pass ends there."""
    return work.seconds(_upper(work, plain_base(work.params.base)))


def frozen_layers_once(work: Work) -> float:
    """Adapters on the upper layers, and the layers below computed once for all epochs: an epoch has its share
    of that pass, which the Trainer does not see."""
    base = plain_base(work.params.base)
    # The hidden states of a row lack those of its last token, so each row gets one more token.
    examples = [Example([*row["input_ids"], work.tokenizer.pad_token_id], (0, 0), []) for row in work.data]
    layered = LayeredModel(base, work.params.adapted_layers)
    started = time.perf_counter()
    hidden = hidden_states(examples, layered, float("inf"), work.tokenizer.pad_token_id)
    once = time.perf_counter() - started
    assert hidden is not None
    base.model.layers = base.model.layers[layered.cut :]
    base.config.num_hidden_layers = len(base.model.layers)
    data = [
        {"inputs_embeds": states, "labels": torch.tensor(row["labels"])}
        for states, row in zip(hidden, work.data, strict=True)
    ]

    def collate(rows: list[dict[str, Tensor]]) -> dict[str, Tensor]:
        return {
            "inputs_embeds": pad_sequence([row["inputs_embeds"] for row in rows], batch_first=True),
            "labels": pad_sequence([row["labels"] for row in rows], batch_first=True, padding_value=IGNORED),
        }

    model = with_lora(base, work.params)
    return once / work.params.epochs + trained(model, data, collate, work.one_epoch)


def open_values(work: Work) -> float:
    """Only what an answer leaves open is written and learnt, instead of the whole JSON."""
    examples = examples_of(work.rows, work.spec, work.tokenizer, work.params)
    data = [masked(example.ids, [target.position for target in example.targets]) for example in examples]
    return work.seconds(with_lora(plain_base(work.params.base), work.params), data)


def similar_lengths(work: Work) -> float:
    """Batches of rows of similar length."""
    data, collate = work.data, padding(work.tokenizer)
    examples = [Example(row["input_ids"], (0, 0), []) for row in data]
    order = batches(examples, range(len(examples)), work.params.batch_size, random.Random(work.params.seed))
    parts = [[data[i] for i in batch] for batch in order]
    model = with_lora(plain_base(work.params.base), work.params)
    return trained(model, parts, lambda chosen: collate(chosen[0]), work.one_epoch, batch_size=1)


def small_head(work: Work) -> float:
    """The head computed only where an answer is learnt, and only for the tokens that answers have."""
    base = plain_base(work.params.base)
    model = with_lora(base, work.params)
    examples = []
    for row in work.data:
        learnt = [i for i, label in enumerate(row["labels"]) if label != IGNORED]
        targets = [Target(i, None, 1 / len(learnt), True) for i in learnt]
        examples.append(Example(row["input_ids"], (0, 0), targets))
    tokens = sorted({example.ids[t.position] for example in examples for t in example.targets})
    # All layers are above the cut, and nothing is kept.
    layered = LayeredModel(base, len(base.model.layers))
    data = Data(examples, len(examples), layered, tokens, 0.0, work.tokenizer.pad_token_id)
    return trained(LossOf(model, data), range(len(examples)), _numbers, work.one_epoch)


def layers_dropped(work: Work) -> float:
    """Only the lowest layers of the base."""
    kept = work.layers(plain_base(work.params.base))
    return work.seconds(with_lora(plain_base(work.params.base, kept), work.params))


def all_levers(work: Work) -> float:
    """All of them, in the peer's loop."""
    params, pad = work.params, work.tokenizer.pad_token_id
    kept = work.layers(plain_base(params.base))
    params = params.model_copy(update={"layers": kept, "adapted_layers": min(kept, params.adapted_layers)})
    examples = examples_of(work.rows, work.spec, work.tokenizer, params)
    student, runner = adapted(load_base(params.base, kept), params, examples, pad)
    decided = tokens_decided(choices_of(Script(work.spec), work.tokenizer))
    started = time.perf_counter()
    data = Data(examples, len(examples), runner, decided, params.cache_gb, pad)
    once = time.perf_counter() - started
    order = batches(examples, range(len(examples)), params.batch_size, random.Random(params.seed))
    model = LossOf(student, data)
    epoch = trained(model, order, lambda chosen: _numbers(chosen[0]), work.one_epoch, batch_size=1)
    return once / params.epochs + epoch


LEVERS: dict[str, Lever] = {
    lever.__name__: lever
    for lever in (
        bfloat16,
        upper_layers,
        frozen_layers_once,
        open_values,
        similar_lengths,
        small_head,
        fused_lora,
        layers_dropped,
        all_levers,
    )
}


def measure(work: Work) -> dict[str, float]:
    """How many times more samples per second each lever gives than the peer, from medians of turns."""
    seconds: dict[str, list[float]] = {name: [] for name in ("peer", *LEVERS)}
    for _ in range(TURNS):
        for name, lever in (("peer", peer), *LEVERS.items()):
            seconds[name].append(lever(work))
    medians = {name: statistics.median(turns) for name, turns in seconds.items()}
    return {name: medians["peer"] / medians[name] for name in LEVERS}


def _upper(work: Work, base: Any) -> Any:  # noqa: ANN401
    count = base.config.num_hidden_layers
    return with_lora(base, work.params, LINEAR, list(range(count - work.params.adapted_layers, count)))


def _numbers(numbers: Sequence[int]) -> dict[str, Tensor]:
    return {"numbers": torch.tensor(numbers)}
