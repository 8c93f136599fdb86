"""Random bases of several families, as tiny as a test needs them."""

from __future__ import annotations

from typing import Any

import torch
import transformers

SIZES: dict[str, Any] = {
    "vocab_size": 400,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 4,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 16,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
SCALED = {"embedding_multiplier": 12.0, "residual_multiplier": 0.22, "logits_scaling": 8.0}
MIXED = {"sliding_window": 8, "layer_types": ["full_attention", *["sliding_attention"] * 3]}
# Name of the family, settings of its own, and whether its halves compute what the whole does.
FAMILIES: list[tuple[str, dict[str, Any], bool]] = [
    ("Llama", {}, True),
    ("Mistral", {"sliding_window": 8}, True),
    ("Qwen2", {}, True),
    ("Qwen3", {}, True),
    ("Granite", {}, True),
    ("Granite", SCALED, False),
    ("Gemma2", {"sliding_window": 8}, False),
    ("Gemma3Text", MIXED, False),
    # The kinds of attention are those of the first layers, whichever layers are run.
    ("Qwen2", MIXED | {"use_sliding_window": True}, False),
]


def random_model(family: str, settings: dict[str, Any]) -> Any:
    torch.manual_seed(0)
    config = getattr(transformers, f"{family}Config")(**SIZES | settings)
    model = transformers.AutoModelForCausalLM.from_config(config).eval()
    torch.nn.init.normal_(model.get_input_embeddings().weight, std=0.5)
    return model
