"""The training loop: examples in, the state of the best adapter and its curve out."""

from __future__ import annotations

import math
import random
import sys
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from promptstill.console.errors import UserError
from promptstill.console.progress import progress
from stages.train import parallel
from stages.train.average import in_place_of, move_average
from stages.train.checkpoint import Checkpoint
from stages.train.data import batches
from stages.train.learnable import Learnable
from stages.train.memory import enough_memory
from stages.train.params import TrainParams

MAX_GRADIENT_NORM = 1.0
# What AdamW keeps for each parameter.
MOMENTS = ("step", "exp_avg", "exp_avg_sq")


@dataclass(frozen=True)
class Epoch:
    """One point of the curve. Losses are means over rows."""

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


class _Run:
    """A training run at a step: adapter, its average, optimiser, and what it has seen."""

    def __init__(self, model: Any, params: TrainParams) -> None:  # noqa: ANN401
        self.adapter = {name: p for name, p in model.named_parameters() if p.requires_grad}
        self.optimizer = torch.optim.AdamW(
            self.adapter.values(), lr=params.learning_rate, weight_decay=params.weight_decay
        )
        self.average = {name: p.detach().clone() for name, p in self.adapter.items()}
        self.step = 0
        self.losses: list[float] = []
        self.curve: list[Epoch] = []
        self.states: list[dict[str, Tensor]] = []

    def save(self, checkpoint: Checkpoint) -> None:
        """Write all that the next step depends on. All processes have it, and the first one writes it."""
        if parallel.rank():
            return
        moments = {
            f"{name}/{moment}": value
            for moment in MOMENTS
            for name, value in zip(
                self.adapter, (self.optimizer.state[p][moment] for p in self.adapter.values()), strict=True
            )
        }
        states = {
            f"{i}/{name}": value for i, state in enumerate(self.states) for name, value in state.items()
        }
        tensors = {
            **{f"adapter/{name}": value for name, value in self.adapter.items()},
            **{f"average/{name}": value for name, value in self.average.items()},
            **{f"moment/{name}": value for name, value in moments.items()},
            **{f"epoch/{name}": value for name, value in states.items()},
            "random": torch.get_rng_state(),
            **({"random_gpu": torch.cuda.get_rng_state()} if torch.cuda.is_available() else {}),
        }
        curve = [asdict(point) for point in self.curve]
        checkpoint.save(tensors, {"step": self.step, "losses": self.losses, "curve": curve})

    def load(self, checkpoint: Checkpoint) -> None:
        """Go on where the same training was, if it was begun."""
        kept = checkpoint.load()
        if kept is None:
            return
        tensors, counts = kept
        self.step, self.losses = counts["step"], counts["losses"]
        print(f"training goes on after step {self.step}", file=sys.stderr, flush=True)
        self.curve = [Epoch(**point) for point in counts["curve"]]
        self.states = [
            {name: tensors[f"epoch/{i}/{name}"] for name in self.adapter} for i in range(len(self.curve))
        ]
        torch.set_rng_state(tensors["random"])
        if "random_gpu" in tensors:
            torch.cuda.set_rng_state(tensors["random_gpu"])
        with torch.no_grad():
            for name, p in self.adapter.items():
                p.copy_(tensors[f"adapter/{name}"])
                self.average[name].copy_(tensors[f"average/{name}"])
                self.optimizer.state[p] = {
                    moment: tensors[f"moment/{name}/{moment}"].to("cpu" if moment == "step" else p.device)
                    for moment in MOMENTS
                }


def train(
    model: Any,  # noqa: ANN401
    train_data: Learnable,
    validation_data: Learnable,
    params: TrainParams,
    checkpoint: Checkpoint,
) -> Trained:
    """Train the adapters of `model`; go on from `checkpoint` if a run was killed.

    The averaged adapter of one epoch is kept, by validation; see `chosen`. Raises UserError in the step in
    which the loss is no longer finite, or memory runs out.
    """
    run = _Run(model, params)
    run.load(checkpoint)
    parallel.require_same(run.step, checkpoint.path)
    per_epoch = -(-len(train_data.of_epoch(1)) // params.batch_size)
    steps = params.epochs * per_epoch
    with progress(steps, "training", "step") as bar:
        bar.initial = bar.n = run.step
        while run.step < steps:
            epoch = run.step // per_epoch + 1
            order = batches(
                train_data.examples,
                train_data.of_epoch(epoch),
                params.batch_size,
                random.Random(f"{params.seed} {epoch}"),
            )
            model.train()
            for batch in order[run.step % per_epoch :]:
                # Before the first step, the optimiser has nothing to save.
                if run.step and checkpoint.due:
                    run.save(checkpoint)
                _learn(run, train_data, batch, epoch, schedule(run.step, steps, params.warmup), params)
                bar.update(1)
            model.eval()
            _close(run, validation_data, params, epoch)
            run.save(checkpoint)
    best = chosen(run.curve, len(validation_data.examples))
    state = run.states[best.epoch - 1]
    with torch.no_grad():
        for name, parameter in run.adapter.items():
            parameter.copy_(state[name])
    return Trained(best, state, run.curve)


def _learn(
    run: _Run, data: Learnable, batch: list[int], epoch: int, rate: float, params: TrainParams
) -> None:
    """One step of the optimiser. `rate` is the share of the peak learning rate."""
    for group in run.optimizer.param_groups:
        group["lr"] = params.learning_rate * rate
    # Drawn for the whole batch, so that it does not depend on how the batch is divided.
    seen = data.seen(batch, params.token_dropout) if params.token_dropout else None
    total, places = torch.zeros((), dtype=torch.float64), parallel.own(range(len(batch)))
    with enough_memory("a training step", _lower(params)):
        for start in range(0, len(places), params.micro_batch_size or len(batch)):
            part = places[start : start + (params.micro_batch_size or len(batch))]
            seen_part = None if seen is None else [seen[i] for i in part]
            loss = data.losses([batch[i] for i in part], seen_part)[0].sum() / len(batch)
            loss.backward()  # type: ignore[no-untyped-call]
            total += loss.item()
    parallel.add_up(total)
    parallel.add_up_gradients(run.adapter.values())
    torch.nn.utils.clip_grad_norm_(run.adapter.values(), MAX_GRADIENT_NORM)
    run.optimizer.step()
    run.optimizer.zero_grad()
    run.step += 1
    move_average(run.average, run.adapter, params.average, run.step)
    run.losses.append(_finite(total.item(), run.step, epoch))


def _lower(params: TrainParams) -> str:
    """What to lower where memory runs out."""
    small = "" if params.student == "encoder" else ", or set train.micro_batch_size"
    return f"train.batch_size or train.max_input_tokens{small}"


def _close(run: _Run, validation: Learnable, params: TrainParams, epoch: int) -> None:
    """The end of an epoch: its point of the curve, and its averaged adapter."""
    with in_place_of(run.adapter, run.average), enough_memory("validation", _lower(params)):
        held_out, accuracy = evaluate(validation, params.micro_batch_size or params.batch_size)
    train_loss = _rounded(sum(run.losses) / len(run.losses))
    run.curve.append(Epoch(epoch, train_loss, _finite(held_out, run.step, epoch), accuracy))
    run.states.append({name: value.cpu().clone() for name, value in run.average.items()})
    run.losses.clear()


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


def schedule(step: int, steps: int, warmup: float) -> float:
    """Share of the peak learning rate: linear rise over the warm-up, then linear decay to zero."""
    rise = max(1, round(steps * warmup))
    return min((step + 1) / rise, (steps - step) / max(1, steps - rise + 1))


def evaluate(data: Learnable, batch_size: int) -> tuple[float, float]:
    """The mean loss of the rows, and the share of rows in which every scored token is the most probable one
    given the tokens before it."""
    order = sorted(range(len(data.examples)), key=lambda i: (len(data.examples[i].ids), i))
    parts = [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
    sums = torch.zeros(2, dtype=torch.float64)
    with torch.inference_mode():
        for batch in parallel.own(parts):
            losses, hits = data.losses(batch)
            hit = iter(hits.tolist())
            right = [
                all([is_hit or not t.scored for t, is_hit in zip(targets, hit, strict=False)])
                for targets in data.targets(batch)
            ]
            sums += torch.tensor([float(losses.sum()), sum(right)], dtype=torch.float64)
    parallel.add_up(sums)
    loss, accuracy = (sums / len(order)).tolist()
    return _rounded(loss), _rounded(accuracy)


def _finite(loss: float, step: int, epoch: int) -> float:
    """The loss. Raises UserError if training has diverged."""
    if not math.isfinite(loss):
        raise UserError(
            f"training diverged: the loss is {loss} after step {step}, in epoch {epoch}; "
            "lower train.learning_rate"
        )
    return loss


def _rounded(value: float) -> float:
    return round(value, 5)
