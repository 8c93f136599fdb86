"""train: the cut model, fused layers, the loop and the choice of the epoch."""

from __future__ import annotations

import random
from functools import partial
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model

from promptstill.console.errors import UserError
from promptstill.models.student import load_base
from stages.train.frozen_layers import LINEAR, LayeredModel, hidden_states, padded_ids
from stages.train.fused import fuse
from stages.train.trainer import Data, Epoch, batches, chosen, schedule, train, weighted_loss
from tests.params import train_params
from tests.stages.tiny_student import adapted, examples


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


@pytest.mark.parametrize("cache_gb", [1.0, 0.0])
def test_cutting_the_model_in_two_changes_no_logit(tiny: str, cache_gb: float) -> None:
    model, layered = adapted(tiny)
    # Give the adapters an effect, which they do not have at the start.
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.2)
    made = examples(tiny, 5)
    data = Data(made, layered, cache_gb, pad=0)
    assert (hidden_states(made, layered, cache_gb, 0) is None) == (cache_gb == 0.0)
    with torch.no_grad():
        logits, targets, _ = data.logits([0, 3, 4])
        for i in (0, 3, 4):
            whole = model(input_ids=torch.tensor([made[i].ids])).logits[0]
            length = len(made[i].answer_ids)
            expected = whole[made[i].prompt_length - 1 : -1]
            assert torch.allclose(logits[:length], expected, atol=1e-5)
            assert targets[:length].tolist() == made[i].answer_ids
            logits, targets = logits[length:], targets[length:]


def test_fused_layers_give_pefts_values_and_gradients(tiny: str) -> None:
    runs = []
    for fused in (False, True):
        model, _ = adapted(tiny)
        torch.manual_seed(1)
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if "lora_" in name:
                    parameter.normal_(std=0.2)
        if fused:
            fuse(model)
        loss = model(input_ids=torch.arange(20).view(2, 10)).logits.square().mean()
        loss.backward()
        gradients = {name: p.grad for name, p in model.named_parameters() if p.requires_grad}
        runs.append((loss.item(), gradients))
    assert runs[0][0] == pytest.approx(runs[1][0], rel=1e-5)
    assert runs[0][1].keys() == runs[1][1].keys()
    for name, gradient in runs[0][1].items():
        assert torch.allclose(gradient, runs[1][1][name], rtol=1e-4, atol=1e-6), name


def test_layers_with_dropout_stay_pefts_own(tiny: str) -> None:
    lora = LoraConfig(
        r=2, lora_dropout=0.1, target_modules=LINEAR, layers_to_transform=[1], task_type="CAUSAL_LM"
    )
    model = get_peft_model(load_base(tiny), lora)
    fuse(model)
    assert not any(isinstance(getattr(module, "forward", None), partial) for module in model.modules())


def test_padding_changes_no_logit(tiny: str) -> None:
    _, layered = adapted(tiny)
    made = sorted(examples(tiny, 6), key=lambda example: len(example.ids))
    short, long = made[0], made[-1]
    assert len(padded_ids([short, long], 0)[0]) == len(long.ids) - 1
    with torch.no_grad():
        alone, _, _ = Data([short], layered, 1.0, 0).logits([0])
        beside, _, _ = Data([short, long], layered, 1.0, 0).logits([0, 1])
    assert torch.allclose(alone, beside[: len(alone)], atol=1e-5)


def run_training(base: str, **changes: Any) -> tuple[Any, Any]:
    torch.manual_seed(0)
    model, layered = adapted(base)
    made = examples(base, 24)
    chosen = train_params(**{"epochs": 10, "learning_rate": 0.05, "batch_size": 4} | changes)
    return train(model, layered, made[:18], made[18:], chosen, 0), model


def test_training_learns_keeps_the_best_epoch_and_repeats_itself(tiny: str) -> None:
    trained, model = run_training(tiny)
    losses = [point.train_loss for point in trained.curve]
    assert losses[-1] < 0.5 * losses[0]
    best = max(trained.curve, key=lambda point: (point.validation_accuracy, point.epoch))
    assert trained.best == best
    held = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert all(torch.equal(held[name], value) for name, value in trained.state.items())

    again, _ = run_training(tiny)
    assert all(torch.equal(again.state[name], value) for name, value in trained.state.items())
    other, _ = run_training(tiny, seed=1)
    assert not all(torch.equal(other.state[name], value) for name, value in trained.state.items())


def test_training_that_diverges_ends_in_the_step_in_which_it_does(tiny: str) -> None:
    with pytest.raises(
        UserError, match=r"diverged: the loss is nan after step \d+, in epoch 1; lower train.lea"
    ):
        run_training(tiny, learning_rate=1e30)


def test_frozen_weights_stay_as_they_are(tiny: str) -> None:
    before = {name: value.clone() for name, value in load_base(tiny).state_dict().items()}
    _, model = run_training(tiny)
    after = model.get_base_model().state_dict()
    for name, value in before.items():
        kept = after.get(name, after.get(name.replace(".weight", ".base_layer.weight")))
        assert torch.equal(kept, value), name


def test_batches_hold_every_row_and_similar_lengths(tiny: str) -> None:
    made = examples(tiny, 24)
    parts = batches(made, 4, random.Random(0))
    assert sorted(i for batch in parts for i in batch) == list(range(24))
    lengths = [[len(made[i].ids) for i in batch] for batch in parts]
    assert max(max(batch) - min(batch) for batch in lengths) <= 16
    assert parts != batches(made, 4, random.Random(1))


def test_the_rate_rises_then_falls_to_nearly_nothing() -> None:
    rates = [schedule(step, 100, 0.1) for step in range(100)]
    assert max(rates) == pytest.approx(1.0)
    assert rates.index(max(rates)) in (9, 10)
    assert rates[:10] == sorted(rates[:10])
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert 0 < rates[-1] < 0.02


def test_tokens_without_weight_do_not_count() -> None:
    logits = torch.tensor([[9.0, 0.0], [0.0, 9.0]])
    targets = torch.tensor([0, 0])
    loss = weighted_loss(logits, targets, torch.tensor([1.0, 0.0]))
    assert loss.item() == pytest.approx(0.0, abs=1e-3)


def test_more_layers_than_the_base_has_is_an_error(tiny: str) -> None:
    with pytest.raises(UserError, match="the base has 2"):
        LayeredModel(load_base(tiny), 3)


def test_a_model_of_another_family_is_an_error() -> None:
    with pytest.raises(UserError, match=r"Linear has no `model\.layers`"):
        LayeredModel(torch.nn.Linear(1, 1), 1)
