"""The training loop: examples in, the state of the best adapter and its curve out."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from promptstill.console.errors import UserError
from promptstill.console.progress import progress
from stages.train.examples import Example
from stages.train.frozen_layers import Runner, answer_positions, hidden_states, padded_ids
from stages.train.params import TrainParams

MAX_GRADIENT_NORM = 1.0
# The lengths of the sequences in a batch differ by less than this many tokens, which leaves little padding
# and much shuffling.
LENGTH_BUCKET = 8


@dataclass(frozen=True)
class Epoch:
    """One point of the curve. Losses are means per answer token, weighted as in training."""

    epoch: int
    train_loss: float
    validation_loss: float
    validation_accuracy: float


@dataclass
class Trained:
    """The adapter of the chosen epoch and how training went."""

    best: Epoch
    state: dict[str, Tensor]
    curve: list[Epoch]


class Data:
    """Examples with their lower hidden states, as batches for the upper layers."""

    def __init__(self, examples: list[Example], model: Runner, cache_gb: float, pad: int) -> None:
        self.examples = examples
        self._model, self._pad = model, pad
        self._hidden = hidden_states(examples, model, cache_gb, pad)

    def logits(self, batch: list[int]) -> tuple[Tensor, Tensor, Tensor]:
        """Logits, targets and loss weights of all answer tokens of a batch, in order."""
        chosen = [self.examples[i] for i in batch]
        device = self._model.head.weight.device
        longest = max(len(example.ids) for example in chosen) - 1
        if self._hidden is None:
            hidden = self._model.lower(padded_ids(chosen, self._pad).to(device))
        else:
            rows = [self._hidden[i] for i in batch]
            hidden = torch.stack([functional.pad(row, (0, 0, 0, longest - len(row))) for row in rows])
        logits = self._model.answer_logits(hidden, answer_positions(chosen).to(device))
        targets = torch.tensor([token for example in chosen for token in example.answer_ids], device=device)
        weights = torch.tensor([weight for example in chosen for weight in example.weights], device=device)
        return logits, targets, weights


def train(
    model: Any,  # noqa: ANN401
    runner: Runner,
    examples: list[Example],
    validation: list[Example],
    params: TrainParams,
    pad: int,
) -> Trained:
    """Train the adapters of `model`.

    The averaged adapter of one epoch is kept, by validation; see `chosen`. Raises UserError in the step in
    which the loss is no longer finite.
    """
    adapter = {name: p for name, p in model.named_parameters() if p.requires_grad}
    optimizer = torch.optim.AdamW(adapter.values(), lr=params.learning_rate, weight_decay=params.weight_decay)
    train_data = Data(examples, runner, params.cache_gb, pad)
    validation_data = Data(validation, runner, params.cache_gb, pad)
    shuffle = random.Random(params.seed)
    average = {name: p.detach().clone() for name, p in adapter.items()}
    steps = params.epochs * -(-len(examples) // params.batch_size)
    step, curve, states = 0, list[Epoch](), list[dict[str, Tensor]]()
    with progress(steps, "training", "step") as bar:
        for epoch in range(1, params.epochs + 1):
            model.train()
            losses = []
            for batch in batches(examples, params.batch_size, shuffle):
                for group in optimizer.param_groups:
                    group["lr"] = params.learning_rate * schedule(step, steps, params.warmup)
                loss = weighted_loss(*train_data.logits(batch))
                loss.backward()  # type: ignore[no-untyped-call]
                torch.nn.utils.clip_grad_norm_(adapter.values(), MAX_GRADIENT_NORM)
                optimizer.step()
                optimizer.zero_grad()
                step += 1
                _move_average(average, adapter, params.average, step)
                losses.append(_finite(loss.item(), step, epoch))
                bar.update(1)
            model.eval()
            with _in_place_of(adapter, average):
                held_out, accuracy = evaluate(validation_data)
            curve.append(
                Epoch(epoch, _rounded(sum(losses) / len(losses)), _finite(held_out, step, epoch), accuracy)
            )
            states.append({name: value.cpu().clone() for name, value in average.items()})
    best = chosen(curve, len(validation))
    state = states[best.epoch - 1]
    with torch.no_grad():
        for name, parameter in adapter.items():
            parameter.copy_(state[name])
    return Trained(best, state, curve)


def chosen(curve: list[Epoch], rows: int) -> Epoch:
    """The epoch with the lowest validation loss among those whose validation accuracy is at most one
    standard error below the best, for `rows` validation rows.

    Accuracy over some dozens of rows cannot distinguish such epochs, and a few confident mistakes dominate
    the loss. This is the one-standard-error rule of Breiman et al., Classification and Regression Trees,
    1984, section 3.4.3, with loss as the tie-break.
    """
    top = max(point.validation_accuracy for point in curve)
    error = math.sqrt(top * (1 - top) / rows)
    able = [point for point in curve if point.validation_accuracy >= top - error]
    return min(able, key=lambda point: (point.validation_loss, point.epoch))


def batches(examples: list[Example], size: int, shuffle: random.Random) -> list[list[int]]:
    """Positions of all examples in batches of similar length, in random order."""
    rows = list(range(len(examples)))
    shuffle.shuffle(rows)
    rows.sort(key=lambda i: len(examples[i].ids) // LENGTH_BUCKET)
    parts = [rows[start : start + size] for start in range(0, len(rows), size)]
    shuffle.shuffle(parts)
    return parts


def schedule(step: int, steps: int, warmup: float) -> float:
    """Share of the peak learning rate: linear rise over the warm-up, then linear decay to zero."""
    rise = max(1, round(steps * warmup))
    return min((step + 1) / rise, (steps - step) / max(1, steps - rise + 1))


def weighted_loss(logits: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """Cross-entropy, averaged over tokens by their weights."""
    return (functional.cross_entropy(logits, targets, reduction="none") * weights).sum() / weights.sum()


def evaluate(data: Data, batch_size: int = 16) -> tuple[float, float]:
    """Weighted loss, and the share of rows in which every scored token is the most probable one given the
    tokens before it."""
    order = sorted(range(len(data.examples)), key=lambda i: (len(data.examples[i].ids), i))
    total = weight = 0.0
    right = 0
    with torch.inference_mode():
        for start in range(0, len(order), batch_size):
            batch = order[start : start + batch_size]
            logits, targets, weights = data.logits(batch)
            total += float((functional.cross_entropy(logits, targets, reduction="none") * weights).sum())
            weight += float(weights.sum())
            hits = (logits.argmax(-1) == targets).tolist()
            for i in batch:
                scored = data.examples[i].scored
                right += all(hit for hit, counts in zip(hits[: len(scored)], scored, strict=True) if counts)
                hits = hits[len(scored) :]
    return _rounded(total / weight), _rounded(right / len(order))


def _finite(loss: float, step: int, epoch: int) -> float:
    """The loss. Raises UserError if training has diverged."""
    if not math.isfinite(loss):
        raise UserError(
            f"training diverged: the loss is {loss} after step {step}, in epoch {epoch}; "
            "lower train.learning_rate"
        )
    return loss


def _move_average(average: dict[str, Tensor], adapter: dict[str, Tensor], decay: float, step: int) -> None:
    """Exponential moving average of the weights. Its memory grows with the number of steps, so that the first
    steps carry no weight at the end."""
    keep = min(decay, step / (step + 10))
    with torch.no_grad():
        for name, value in average.items():
            value.lerp_(adapter[name], 1 - keep)


class _in_place_of:
    """Evaluate with other weights, then put the adapter's own back."""

    def __init__(self, adapter: dict[str, Tensor], other: dict[str, Tensor]) -> None:
        self._adapter, self._other = adapter, other

    def _swap(self) -> None:
        with torch.no_grad():
            for name, parameter in self._adapter.items():
                held = parameter.detach().clone()
                parameter.copy_(self._other[name])
                self._other[name].copy_(held)

    def __enter__(self) -> None:
        self._swap()

    def __exit__(self, *_: object) -> None:
        self._swap()


def _rounded(value: float) -> float:
    return round(value, 5)
