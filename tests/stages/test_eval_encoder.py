"""eval: an encoder as student, whose base has no answers of its own."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from promptstill.core.files import read_json, write_json, write_rows
from promptstill.core.paths import details_file, model_dir, out, plot_file, prompt_file
from promptstill.models.student import load_tokenizer, read_student
from promptstill.models.tokens import as_text
from stages.eval import __main__ as evaluate
from stages.train import __main__ as train
from tests.project import golden_case, label_of, read_lines, row
from tests.rows import sampled_row, split_row
from tests.trained import TASK, write_encoder_split

CONTESTANTS = {"student", "teacher", "embeddings", "ngrams", "majority"}


@pytest.fixture
def evaluated(project: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """A project in which an encoder was trained and compared; what the stages said is captured."""
    write_encoder_split(project)
    train.main(TASK)
    golden = [{**sampled_row(i, "red"), **golden_case(i, str)} for i in range(6)]
    write_rows(out("generate", TASK, "golden"), golden)
    labels = [label_of(row(i)["input"]) for i in range(24, 33)]
    test = [split_row(i, answer=label, label=label) for i, label in enumerate(labels, start=24)]
    write_rows(out("split", TASK, "test"), test)
    write_json(details_file("generate", TASK), {"cost_usd": None, "requests": 1})
    evaluate.main(TASK)
    return project


def test_contestants_that_need_a_causal_base_are_left_out(
    evaluated: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    metrics = read_json(details_file("eval", TASK))
    for name in ("golden", "test"):
        assert set(metrics[name]) >= CONTESTANTS
        assert not {"base", "prompted"} & set(metrics[name])
        assert set(metrics[name]["student_minus"]) == CONTESTANTS - {"student"}
        assert metrics[name]["student"]["valid"] == 1.0
        with plot_file(TASK, f"slices_{name}").open(encoding="utf-8") as table:
            assert {line["who"] for line in csv.DictReader(table)} == CONTESTANTS
    rows = read_lines(out("eval", TASK))
    assert {(line["base"], line["prompted"]) for line in rows} == {("null", "null")}
    assert "null" not in {line["student"] for line in rows}
    (golden,) = (line for line in capsys.readouterr().out.splitlines() if "golden accuracy of" in line)
    assert "embeddings" in golden
    assert "prompted" not in golden


def test_saved_tokens_are_counted_with_the_tokenizer_of_the_encoder(evaluated: Path) -> None:
    prompt = prompt_file(TASK).read_text().replace("{input}", "")
    tokenizer = load_tokenizer(read_student(TASK)["base"], "encoder")
    saved = read_json(details_file("eval", TASK))["prompt_tokens_saved_per_request"]
    assert saved == len(as_text(prompt, tokenizer).ids) > 10
    assert (model_dir(TASK) / "heads.safetensors").exists()
