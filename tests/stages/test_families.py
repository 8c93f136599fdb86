"""train: bases of several families, cut in two or run as a whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from promptstill.console.errors import UserError
from stages.train.adapter import adapted
from stages.train.checkpoint import Checkpoint
from stages.train.frozen_layers import LayeredModel, WholeModel, padded_ids, runner, target_positions
from stages.train.trainer import train
from tests.families import FAMILIES, SCALED, random_model
from tests.params import train_params
from tests.stages.tiny_student import colours, stir


@pytest.mark.parametrize(("family", "settings", "cuttable"), FAMILIES)
def test_training_computes_what_the_model_does(
    tiny: str, family: str, settings: dict[str, Any], cuttable: bool
) -> None:
    made = colours(tiny, 5).examples
    student, run = adapted(random_model(family, settings), train_params(adapted_layers=3), made, 0)
    assert isinstance(run, LayeredModel if cuttable else WholeModel)
    stir(student)
    with torch.no_grad():
        logits = run.logits(run.lower(padded_ids(made, 0)), target_positions(made))
        for example in made:
            whole = student(input_ids=torch.tensor([example.ids])).logits[0]
            expected = whole[[target.position - 1 for target in example.targets]]
            assert torch.allclose(logits[: len(expected)], expected, atol=1e-3)
            logits = logits[len(expected) :]


def test_a_model_that_runs_as_a_whole_learns(tiny: str, tmp_path: Path) -> None:
    task = colours(tiny, 12)
    params = train_params(adapted_layers=3, epochs=8, learning_rate=0.05, batch_size=4)
    base = random_model("Granite", SCALED | {"logits_scaling": 0.5})
    student, run = adapted(base, params, task.examples, 0)
    parts = [task.data(run, of=part) for part in (slice(9), slice(9, None))]
    trained = train(student, parts[0], parts[1], params, Checkpoint(tmp_path / "checkpoint", "key"))
    assert trained.curve[-1].train_loss < 0.9 * trained.curve[0].train_loss


def test_a_family_with_other_layers_is_an_error(tiny: str) -> None:
    model = random_model("Phi3", {})
    with pytest.raises(UserError, match="Phi3ForCausalLM has no `gate_proj` in its layers; use a model"):
        runner(model, 3, colours(tiny, 2).examples, 0)
