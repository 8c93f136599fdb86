"""train: encoders of several families get adapters, and pad without effect."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import transformers

from promptstill.answers.schema.script import Script
from promptstill.console.errors import UserError
from promptstill.models.encoder import Encoder, padded
from stages.train.encoder import with_lora
from tests.params import train_params
from tests.stages.tiny_student import JSON

SIZES: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "vocab_size": 100,
    "max_position_embeddings": 64,
    "pad_token_id": 1,
}
OWN_SIZES: dict[str, dict[str, Any]] = {
    "DistilBert": {"dim": 32, "hidden_dim": 64, "n_layers": 2, "n_heads": 2},
    "ModernBert": {"global_attn_every_n_layers": 2, "cls_token_id": 2, "sep_token_id": 3},
}
SLOTS = Script(JSON).slots
ROWS = [[2, *range(10, 20), 3], [2, 5, 6, 3], [2, *range(30, 60), 3]]


def family(name: str) -> Any:
    """A tiny random encoder of a family."""
    torch.manual_seed(0)
    config = getattr(transformers, f"{name}Config")(**SIZES | OWN_SIZES.get(name, {}))
    return transformers.AutoModel.from_config(config)


@pytest.mark.parametrize("name", ["Bert", "Roberta", "MPNet", "DistilBert", "ModernBert", "Electra"])
def test_every_adapter_learns_and_padding_changes_nothing(name: str) -> None:
    model = Encoder(with_lora(family(name), train_params(student="encoder")), "mean", SLOTS)
    logits = model.train()(*padded(ROWS, 1))
    sum(of_slot.square().sum() for of_slot in logits).backward()
    trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
    assert any("lora_" in name for name in trained)
    assert [name for name, p in trained.items() if p.grad is None] == []
    model.eval()
    with torch.inference_mode():
        together = model(*padded(ROWS, 1))
        for i, row in enumerate(ROWS):
            for of_slot, alone in zip(together, model(*padded([row], 1)), strict=True):
                assert torch.allclose(of_slot[i], alone[0], atol=1e-5)


def test_an_encoder_whose_layers_share_weights_is_refused() -> None:
    with pytest.raises(UserError, match=r"^train\.base: AlbertModel has no list of layers; use another enc"):
        with_lora(family("Albert"), train_params(student="encoder"))
