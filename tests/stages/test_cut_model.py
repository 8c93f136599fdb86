"""train: the model cut in two, fused layers, and products in bfloat16."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from promptstill.console.errors import UserError
from promptstill.models import products
from promptstill.models.products import fuse
from promptstill.models.student import load_base, with_adapter
from stages.train import checkpoint
from stages.train.checkpoint import Checkpoint
from stages.train.frozen_layers import LayeredModel, hidden_states, target_positions
from stages.train.trainer import train
from tests.params import train_params
from tests.stages.tiny_student import adapted, colours, stir


@pytest.mark.usefixtures("in_float32")
@pytest.mark.parametrize("cache_gb", [1.0, 0.0])
def test_cutting_the_model_in_two_changes_no_logit(tiny: str, cache_gb: float) -> None:
    model, layered = adapted(tiny)
    stir(model)
    made = colours(tiny, 5).examples
    states = hidden_states(made, layered, cache_gb, 0)
    assert (states is None) == (cache_gb == 0.0)
    for i in (0, 3, 4):
        ids = torch.tensor([made[i].ids])
        lower = layered.lower(ids[:, :-1]) if states is None else states[i][None]
        with torch.no_grad():
            whole = model(input_ids=ids).logits[0]
            logits = layered.logits(lower, target_positions([made[i]]))
        expected = whole[[target.position - 1 for target in made[i].targets]]
        assert torch.allclose(logits, expected, atol=1e-5)


def run(base: str, fused: bool = True) -> tuple[float, dict[str, Any]]:
    """A loss, and the gradients of adapters that have an effect."""
    model, _ = adapted(base)
    stir(model, "lora_")
    if fused:
        fuse(model)
    loss = model(input_ids=torch.arange(20).view(2, 10)).logits.square().mean()
    loss.backward()
    return loss.item(), {name: p.grad for name, p in model.named_parameters() if p.requires_grad}


@pytest.mark.usefixtures("in_float32")
def test_fused_layers_give_pefts_values_and_gradients(tiny: str) -> None:
    (fused, of_fused), (plain, of_plain) = run(tiny), run(tiny, fused=False)
    assert fused == pytest.approx(plain, rel=1e-5)
    assert of_fused.keys() == of_plain.keys()
    for name, gradient in of_fused.items():
        assert torch.allclose(gradient, of_plain[name], rtol=1e-4, atol=1e-6), name


@pytest.mark.parametrize("fused", [True, False], ids=["fused", "peft"])
def test_products_in_bfloat16_differ_by_its_rounding(
    tiny: str, fused: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = []
    for kept in (torch.float32, torch.bfloat16):
        monkeypatch.setattr(products, "precision", lambda kept=kept: kept)
        runs.append(run(tiny, fused))
    (exact, gradients), (rounded, of_rounded) = runs
    assert rounded != exact
    assert rounded == pytest.approx(exact, rel=0.02)
    for name, gradient in of_rounded.items():
        assert gradient.dtype == torch.float32
        assert float((gradient - gradients[name]).norm() / gradients[name].norm()) < 0.05, name


@pytest.mark.usefixtures("in_bfloat16")
@pytest.mark.parametrize("dropout", [0.0, 0.2], ids=["fused", "peft"])
def test_only_frozen_weights_of_layers_are_kept_in_bfloat16(
    tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dropout: float
) -> None:
    monkeypatch.setattr(checkpoint, "INTERVAL", 0.0)
    model, layered = adapted(tiny, lora_dropout=dropout)
    fuse(model)
    task = colours(tiny, 6)
    data = task.data(layered)
    kept = Checkpoint(tmp_path / "checkpoint", "key")
    train(model, data, data, train_params(batch_size=3), kept)
    types = {name: value.dtype for name, value in model.named_parameters()}
    inside = {kind for name, kind in types.items() if name.endswith("proj.weight") and "norm" not in name}
    inside |= {kind for name, kind in types.items() if "base_layer" in name}
    assert inside == {torch.bfloat16}
    rest = {kind for name, kind in types.items() if "proj" not in name or "lora_" in name}
    assert rest == {torch.float32}
    tensors, _ = kept.load() or ({}, {})
    assert {value.dtype for name, value in tensors.items() if not name.startswith("random")} == {
        torch.float32
    }


@pytest.mark.usefixtures("in_bfloat16")
def test_an_adapter_is_loaded_as_it_was_saved(tiny: str, tmp_path: Path) -> None:
    model, _ = adapted(tiny)
    stir(model, "lora_")
    model.save_pretrained(tmp_path)
    saved = load_file(tmp_path / "adapter_model.safetensors")
    loaded = with_adapter(load_base(tiny), tmp_path).state_dict()
    assert saved
    for name, value in saved.items():
        assert torch.equal(loaded[name.replace(".weight", ".default.weight")], value), name


def test_layers_with_dropout_stay_pefts_own(tiny: str) -> None:
    model, _ = adapted(tiny, lora_dropout=0.1)
    fuse(model)
    of_lora = [module for module in model.modules() if hasattr(module, "lora_A")]
    assert of_lora
    assert not any(isinstance(module.forward, partial) for module in of_lora)


@pytest.mark.usefixtures("in_float32")
def test_a_base_keeps_only_its_lowest_layers(tiny: str) -> None:
    whole, cut = load_base(tiny), load_base(tiny, layers=1)
    assert (len(cut.model.layers), cut.config.num_hidden_layers) == (1, 1)
    ids = torch.arange(12).view(1, 12)
    with torch.no_grad():
        lower = LayeredModel(whole, 1).lower(ids)
        expected = whole.lm_head(whole.model.norm(lower))
        assert torch.allclose(cut(input_ids=ids).logits, expected, atol=1e-5)


def test_more_layers_than_the_base_has_is_an_error(tiny: str) -> None:
    with pytest.raises(UserError, match=r"train\.layers: 3, but the base has 2; lower it"):
        load_base(tiny, layers=3)
    with pytest.raises(UserError, match=r"train\.adapted_layers: 3, but the base has 2; lower it"):
        LayeredModel(load_base(tiny), 3)
    with pytest.raises(UserError, match=r"train\.adapted_layers: 2, but the base has 1; lower it"):
        LayeredModel(load_base(tiny, layers=1), 2)


def test_a_model_of_another_family_is_an_error() -> None:
    with pytest.raises(UserError, match=r"Linear has no `model\.layers`"):
        LayeredModel(torch.nn.Linear(1, 1), 1)
