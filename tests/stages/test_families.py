"""train: bases of several families, cut in two or run as a whole."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import transformers

from promptstill.console.errors import UserError
from stages.train.adapter import adapted
from stages.train.frozen_layers import LayeredModel, WholeModel, runner
from stages.train.trainer import Data, train
from tests.params import train_params
from tests.stages.tiny_student import examples

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


@pytest.mark.parametrize(("family", "settings", "cuttable"), FAMILIES)
def test_training_computes_what_the_model_does(
    tiny: str, family: str, settings: dict[str, Any], cuttable: bool
) -> None:
    made = examples(tiny, 5)
    student, run = adapted(random_model(family, settings), train_params(adapted_layers=3), made, 0)
    assert isinstance(run, LayeredModel if cuttable else WholeModel)
    with torch.no_grad():
        for name, parameter in student.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.2)
        logits, _, _ = Data(made, run, 1.0, 0).logits([0, 3, 4])
        for i in (0, 3, 4):
            whole = student(input_ids=torch.tensor([made[i].ids])).logits[0]
            expected = whole[made[i].prompt_length - 1 : -1]
            assert torch.allclose(logits[: len(expected)], expected, atol=1e-3)
            logits = logits[len(expected) :]


def test_a_model_that_runs_as_a_whole_learns(tiny: str) -> None:
    made = examples(tiny, 12)
    params = train_params(adapted_layers=3, epochs=8, learning_rate=0.05, batch_size=4)
    student, run = adapted(random_model("Granite", SCALED | {"logits_scaling": 0.5}), params, made, 0)
    trained = train(student, run, made[:9], made[9:], params, 0)
    assert trained.curve[-1].train_loss < 0.9 * trained.curve[0].train_loss


def test_a_family_with_other_layers_is_an_error(tiny: str) -> None:
    model = random_model("Phi3", {})
    with pytest.raises(UserError, match="Phi3ForCausalLM has no `gate_proj` in its layers; use a model"):
        runner(model, 3, examples(tiny, 2), 0)
