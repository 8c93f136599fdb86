"""train: what the stage refuses and says."""

from __future__ import annotations

from pathlib import Path

import pytest

from promptstill.console.errors import UserError
from promptstill.models.student import load_tokenizer
from stages.train import __main__ as train
from stages.train.params import TrainParams
from tests.families import SCALED, random_model
from tests.trained import TASK, write_split


def test_a_wrong_key_in_rare_weight_is_named_before_a_file_is_read(project: Path, tiny: str) -> None:
    write_split(project, tiny, rare_weight={"colour": 2.0})
    (project / f"data/split/{TASK}/train.jsonl").unlink()
    with pytest.raises(UserError, match=r"params.yaml: colour.train.rare_weight.colour: the answers have no"):
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
