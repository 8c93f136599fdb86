"""train: what the stage refuses and says."""

from __future__ import annotations

from pathlib import Path

import pytest
from safetensors.torch import load_file

from promptstill.answers.spec import AnswerSpec
from promptstill.console.errors import UserError
from promptstill.core.paths import model_dir
from promptstill.models.answering import Answerer
from promptstill.models.student import load_tokenizer, student_of
from stages.train import __main__ as train
from stages.train.params import TrainParams
from tests.families import SCALED, random_model
from tests.project import TEXT_SCHEMA
from tests.trained import TASK, write_split


def test_a_student_that_keeps_fewer_layers_is_used_as_it_was_trained(project: Path, tiny: str) -> None:
    write_split(project, tiny, layers=1)
    train.main(TASK)
    spec = AnswerSpec.load(TASK)
    student = student_of(TASK, spec)
    assert student["layers"] == 1
    names = set(load_file(model_dir(TASK) / "adapter_model.safetensors"))
    assert names
    assert all(".layers.0." in name for name in names)
    (answered,) = Answerer.load(model_dir(TASK), student, spec).answer(["a red brick"])
    assert answered.answer in TEXT_SCHEMA["enum"]


def test_a_split_that_was_not_certified_trains_nothing(project: Path, tiny: str) -> None:
    write_split(project, tiny)
    with (project / f"data/split/{TASK}/train.jsonl").open("a") as rows:
        rows.write("\n")
    with pytest.raises(UserError, match=r"train\.jsonl: not the file that the leak certificate was made for"):
        train.main(TASK)


def test_the_summary_names_a_base_that_cannot_be_cut(
    project: Path, tiny: str, capsys: pytest.CaptureFixture[str]
) -> None:
    random_model("Granite", SCALED).save_pretrained("granite")
    load_tokenizer(tiny).save_pretrained("granite")
    write_split(project, "./granite")
    train.main(TASK)
    lines = capsys.readouterr().out
    assert "GraniteForCausalLM computes otherwise when it is cut in two, so its frozen layers ran" in lines


def test_every_setting_reads_well_alone() -> None:
    """`still params` shows a description without the settings around it."""
    words = {name: str(field.description).split() for name, field in TrainParams.model_fields.items()}
    assert [name for name, first in words.items() if first[0] in {"of", "on", "in", "for"}] == []
    assert [name for name, all_words in words.items() if len(all_words) < 3] == []
