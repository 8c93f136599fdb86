"""train: the loop, its schedule and the choice of the epoch."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
import torch

from promptstill.console.errors import UserError
from promptstill.models.student import load_base
from stages.train.checkpoint import Checkpoint
from stages.train.data import batches
from stages.train.trainer import Epoch, chosen, evaluate, schedule, train
from tests.params import train_params
from tests.stages.tiny_student import adapted, colours


def curve(*points: tuple[float, float]) -> list[Epoch]:
    return [Epoch(i, 0.0, loss, accuracy) for i, (loss, accuracy) in enumerate(points, start=1)]


@pytest.mark.parametrize(
    ("points", "epoch"),
    [
        ([(0.9, 0.50), (0.4, 0.90), (0.3, 0.88)], 3),
        ([(0.2, 0.50), (0.4, 0.90), (0.5, 0.90)], 2),
        ([(0.5, 1.00), (0.4, 0.99)], 1),
        ([(0.5, 0.90), (0.5, 0.90)], 1),
    ],
)
def test_the_epoch_with_least_loss_among_those_that_accuracy_cannot_distinguish(
    points: list[tuple[float, float]], epoch: int
) -> None:
    assert chosen(curve(*points), rows=50).epoch == epoch


def run_training(base: str, folder: Path, **changes: Any) -> tuple[Any, Any]:
    torch.manual_seed(0)
    model, layered = adapted(base)
    task = colours(base, 24)
    params = train_params(**{"epochs": 10, "learning_rate": 0.05, "batch_size": 4} | changes)
    parts = [task.data(layered, of=part) for part in (slice(18), slice(18, None))]
    return train(model, parts[0], parts[1], params, Checkpoint(folder / "checkpoint", str(params))), model


def test_training_learns_keeps_the_best_epoch_and_repeats_itself(tiny: str, tmp_path: Path) -> None:
    trained, model = run_training(tiny, tmp_path / "first")
    losses = [point.train_loss for point in trained.curve]
    assert losses[-1] < 0.5 * losses[0]
    assert trained.best == chosen(trained.curve, rows=6)
    held = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert all(torch.equal(held[name], value) for name, value in trained.state.items())

    again, _ = run_training(tiny, tmp_path / "again")
    assert all(torch.equal(again.state[name], value) for name, value in trained.state.items())
    other, _ = run_training(tiny, tmp_path / "other", seed=1)
    assert not all(torch.equal(other.state[name], value) for name, value in trained.state.items())


def test_frozen_weights_stay_as_they_are(tiny: str, tmp_path: Path) -> None:
    before = {name: value.clone() for name, value in load_base(tiny).state_dict().items()}
    _, model = run_training(tiny, tmp_path, epochs=2)
    after = model.get_base_model().state_dict()
    for name, value in before.items():
        kept = after.get(name, after.get(name.replace(".weight", ".base_layer.weight")))
        assert torch.equal(kept, value), name


@pytest.mark.usefixtures("in_float32")
def test_a_row_is_right_if_every_scored_decision_is_the_most_probable_one(tiny: str) -> None:
    _, layered = adapted(tiny)
    task = colours(tiny, 9)
    data = task.data(layered)
    with torch.no_grad():
        parts = [data.losses([i]) for i in range(9)]
    loss, accuracy = evaluate(data, batch_size=4)
    assert loss == pytest.approx(sum(float(losses.sum()) for losses, _ in parts) / 9, abs=1e-3)
    assert accuracy == pytest.approx(sum(bool(hits.all()) for _, hits in parts) / 9, abs=1e-5)


def test_batches_hold_every_row_and_similar_lengths(tiny: str) -> None:
    made = colours(tiny, 24).examples
    parts = batches(made, range(len(made)), 4, random.Random(0))
    assert sorted(i for batch in parts for i in batch) == list(range(24))
    lengths = [[len(made[i].ids) for i in batch] for batch in parts]
    assert max(max(batch) - min(batch) for batch in lengths) <= 16
    assert parts != batches(made, range(len(made)), 4, random.Random(1))


def test_the_rate_rises_then_falls_to_nearly_nothing() -> None:
    rates = [schedule(step, 100, 0.1) for step in range(100)]
    assert max(rates) == pytest.approx(1.0)
    assert rates.index(max(rates)) in (9, 10)
    assert rates[:10] == sorted(rates[:10])
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert 0 < rates[-1] < 0.02


def test_training_that_diverges_ends_in_the_step_in_which_it_does(tiny: str, tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=r"diverged: the loss is nan after step \d+, in epoch 1; lower train.lea"
    ):
        run_training(tiny, tmp_path, learning_rate=1e30)
