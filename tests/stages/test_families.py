"""train: bases of several families, cut in two or run as a whole."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from promptstill.console.errors import UserError
from stages.train.adapter import adapted
from stages.train.frozen_layers import LayeredModel, WholeModel, runner
from stages.train.trainer import Data, train
from tests.families import FAMILIES, SCALED, random_model
from tests.params import train_params
from tests.stages.tiny_student import examples


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
