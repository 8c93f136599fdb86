"""train: what an encoder as student cannot have, and files of it that are damaged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file

from promptstill.answers.spec import AnswerSpec
from promptstill.console.errors import UserError
from promptstill.core.paths import model_dir
from promptstill.models.answering import Answerer
from promptstill.models.encoder import HEADS
from promptstill.models.student import student_of
from stages.train import __main__ as train
from still.check import problems_of
from tests.promptstill.answers.tasks import schema_of, write_task
from tests.trained import TASK, write_encoder_split


def problem() -> str:
    with pytest.raises(UserError) as error:
        train.main(TASK)
    return str(error.value)


@pytest.mark.parametrize(
    ("schema", "rules", "key"),
    [
        ({"type": "string"}, {"format": "text"}, "the answer"),
        (
            schema_of({"topic": {"enum": ["a", "b"]}, "note": {"type": "string"}}),
            {"format": "json", "label": "topic"},
            "`note`",
        ),
    ],
    ids=["text", "object"],
)
def test_a_free_value_is_refused_before_the_teacher_is_paid_and_before_training(
    project: Path, schema: dict[str, Any], rules: dict[str, Any], key: str
) -> None:
    write_encoder_split(project)
    write_task(project, schema, rules)
    expected = (
        "params.yaml: colour.train.student: an encoder chooses among listed values, but answer.schema.json "
        f"lists none for {key}; list them there, or use a causal student"
    )
    assert problem() == expected
    assert expected in problems_of(TASK)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"layers": 1}, "colour.train.layers: an encoder keeps all layers; remove it, or set train.student"),
        (
            {"max_input_tokens": 63},
            "train.max_input_tokens: 63, which with 2 tokens around a text is more than ./base reads",
        ),
        (
            {"student": "decoder"},
            "colour.train.student: input should be 'causal' or 'encoder', got 'decoder'",
        ),
    ],
)
def test_params_that_an_encoder_cannot_have_are_one_line(
    project: Path, changes: dict[str, Any], words: str
) -> None:
    write_encoder_split(project)
    content = yaml.safe_load((project / "params.yaml").read_text())
    content[TASK]["train"] |= changes
    (project / "params.yaml").write_text(yaml.safe_dump(content))
    assert words in problem()


@pytest.mark.parametrize("damage", ["cut", "missing", "other"])
def test_damaged_heads_are_one_line(project: Path, damage: str) -> None:
    write_encoder_split(project)
    train.main(TASK)
    spec = AnswerSpec.load(TASK)
    student, path = student_of(TASK, spec), model_dir(TASK) / HEADS
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-5])
    elif damage == "missing":
        path.unlink()
    else:
        save_file({**load_file(path), "0.bias": torch.zeros(7)}, path)
    words = {
        "cut": "models/colour/heads.safetensors: damaged (",
        "missing": "models/colour/heads.safetensors: no such file; get it with `dvc checkout` or `dvc pull`",
        "other": "models/colour/heads.safetensors: damaged (its arrays are not those of the answer schema)",
    }
    with pytest.raises(UserError) as error:
        Answerer.load(model_dir(TASK), student, spec)
    assert str(error.value).startswith(words[damage])
    assert "\n" not in str(error.value)
    with pytest.raises(
        UserError, match=r"heads\.safetensors: (no such file|not the file that training wrote)"
    ):
        student_of(TASK, spec)
