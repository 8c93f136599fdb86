"""train: a text encoder as student, from the rows to its answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from promptstill.answers.spec import AnswerSpec
from promptstill.console.errors import UserError
from promptstill.core.files import read_json
from promptstill.core.paths import details_file, model_dir
from promptstill.models.answering import Answerer, StudentAnswer
from promptstill.models.encoder import HEADS
from promptstill.models.student import student_of
from stages.train import __main__ as train
from stages.train import adapter, encoder, trainer
from stages.train.checkpoint import Checkpoint
from stages.train.trainer import evaluate
from tests.conftest import Run
from tests.killed import check_kills, files_of
from tests.params import train_params
from tests.project import LABELS, row
from tests.rows import split_row
from tests.stages.tiny_student import JSON
from tests.tiny_encoder import make_tiny_encoder
from tests.trained import TASK, write_encoder_split

TEXTS = [row(i)["input"] for i in range(30)]
ROWS = [
    split_row(i, answer={"colour": LABELS[i % 3], "sure": 0.9, "alarm": "fire" if i % 2 else None})
    for i in range(9)
]


def loaded() -> Answerer:
    spec = AnswerSpec.load(TASK)
    return Answerer.load(model_dir(TASK), student_of(TASK, spec), spec)


def made(folder: Path, **changes: Any) -> Any:
    """A model that is ready to be trained on ROWS."""
    make_tiny_encoder(folder / "base")
    params = train_params(base=str(folder / "base"), student="encoder", **changes)
    return encoder.untrained({"train": ROWS, "validation": ROWS}, JSON, params)


def test_a_trained_encoder_answers_after_loading_as_before_saving(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[StudentAnswer] = []
    save = adapter.save

    def watched(student: Any, tokenizer: Any, ngrams: Any, folder: Path, use: Any) -> None:
        answerer = Answerer(student, tokenizer, AnswerSpec.load(TASK), (use["max_input_tokens"], 1))
        kept.extend(
            (answerer.mixed_with(ngrams, use["weights"]) if use["weights"] else answerer).answer(TEXTS)
        )
        save(student, tokenizer, ngrams, folder, use)

    monkeypatch.setattr(adapter, "save", watched)
    write_encoder_split(project, epochs=20, learning_rate=0.01)
    train.main(TASK)
    student = read_json(model_dir(TASK) / "student.json")
    assert (student["kind"], student["pooling"], student["layers"]) == ("encoder", "mean", None)
    assert set(student["files"]) == {
        "adapter_config.json",
        "adapter_model.safetensors",
        HEADS,
        "tokenizer.json",
        "tokenizer_config.json",
    }
    metrics = read_json(details_file("train", TASK))
    stored = [load_file(model_dir(TASK) / name) for name in ("adapter_model.safetensors", HEADS)]
    assert metrics["trainable_parameters"] == sum(v.numel() for part in stored for v in part.values())
    answers = loaded().answer(TEXTS)
    assert answers == kept
    assert len({str(given.answer) for given in answers}) > 1


def test_an_encoder_learns_and_its_frozen_weights_stay(tmp_path: Path) -> None:
    ready = made(tmp_path)
    weights = ready.model.base.get_base_model().state_dict()
    before = {name: value.clone() for name, value in weights.items()}
    params = train_params(epochs=30, batch_size=3, learning_rate=0.02)
    kept = Checkpoint(tmp_path / "checkpoint", "key")
    result = trainer.train(ready.model, ready.data["train"], ready.data["validation"], params, kept)
    assert result.curve[-1].validation_loss < 0.5 * result.curve[0].validation_loss
    changed = {name for name, value in weights.items() if not torch.equal(value, before[name])}
    assert changed
    assert all("lora_" in name for name in changed)


def test_the_same_training_gives_the_same_folder_and_another_seed_another(project: Path) -> None:
    write_encoder_split(project)
    train.main(TASK)
    first = files_of(project)
    train.main(TASK)
    assert files_of(project) == first
    write_encoder_split(project, seed=1)
    train.main(TASK)
    assert files_of(project)[HEADS] != first[HEADS]


@pytest.mark.parametrize("dropout", [0.0, 0.3], ids=["plain", "dropout"])
def test_a_training_that_is_killed_gives_the_same_student(project: Path, dropout: float) -> None:
    write_encoder_split(project, epochs=20, batch_size=2, token_dropout=dropout)
    check_kills(project, str(dropout))


def test_the_loss_of_a_row_is_that_of_its_right_pieces(tmp_path: Path) -> None:
    ready = made(tmp_path)
    data, model = ready.data["train"], ready.model.eval()
    replies = Answerer(model, ready.tokenizer, JSON, (48, 1)).replies([row["input"] for row in ROWS])
    answerer = Answerer(model, ready.tokenizer, JSON, (48, 1))
    expected, right = [], []
    for entry, reply in zip(ROWS, replies, strict=True):
        pieces = answerer.script.pieces(entry["answer"])
        for slot, piece in zip(answerer.script.slots, pieces, strict=True):
            expected.append(-reply.log_probabilities[slot.key][slot.pieces.index(piece)])
        counts = [slot.key in JSON.scored for slot in answerer.script.slots]
        right.append(all(a == b or not c for a, b, c in zip(pieces, reply.pieces, counts, strict=True)))
    with torch.inference_mode():
        losses, _ = data.losses(range(len(ROWS)))
    assert losses.tolist() == pytest.approx(expected, abs=1e-4)
    loss, accuracy = evaluate(data, batch_size=4)
    assert loss == pytest.approx(sum(expected) / len(ROWS), abs=1e-4)
    assert accuracy == pytest.approx(sum(right) / len(ROWS), abs=1e-5)


def test_hidden_tokens_change_nothing_and_special_tokens_are_never_hidden(tmp_path: Path) -> None:
    ready = made(tmp_path)
    data, model = ready.data["train"], ready.model.eval()
    seen: list[torch.Tensor] = []
    model.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[1]))
    torch.manual_seed(0)
    every = range(len(ROWS))
    data.losses(every, data.seen(every, 0.5))
    lengths = [len(example.ids) for example in data.examples]
    for mask, length in zip(seen[0].tolist(), lengths, strict=True):
        assert (mask[0], mask[length - 1]) == (1, 1)
        assert mask[length:] == [0] * (len(mask) - length)
        assert 0 < sum(mask[1 : length - 1]) < length - 2
    ids = torch.tensor([data.examples[0].ids])
    hidden = torch.ones_like(ids)
    hidden[0, 3] = 0
    other = ids.clone()
    other[0, 3] += 1
    with torch.inference_mode():
        assert torch.allclose(model(ids, hidden)[0], model(other, hidden)[0], atol=1e-6)
        assert not torch.allclose(model(ids, hidden)[0], model(ids, torch.ones_like(ids))[0], atol=1e-6)


def test_only_the_upper_layers_get_adapters(tmp_path: Path) -> None:
    names = [name for name, p in made(tmp_path, adapted_layers=1).model.named_parameters() if p.requires_grad]
    of_lora = [name for name in names if "lora_" in name]
    assert len(of_lora) == 2 * 6, "two for each linear map of a layer of BERT"
    assert all(".encoder.layer.1." in name for name in of_lora)
    assert {name.split(".")[0] for name in set(names) - set(of_lora)} == {"heads"}


def test_too_many_adapted_layers_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^train\.adapted_layers: 3, but the base has 2; lower it$"):
        made(tmp_path, adapted_layers=3)


def test_predict_answers_with_an_encoder(project: Path, run: Run) -> None:
    write_encoder_split(project)
    train.main(TASK)
    lines = [{"id": str(i), "input": text} for i, text in enumerate(TEXTS)]
    (project / "in.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    finished = run("still.cli", "predict", TASK, "--input", "in.jsonl", "--output", "out.jsonl", cwd=project)
    assert finished.returncode == 0, finished.stderr
    written = [json.loads(line) for line in (project / "out.jsonl").read_text().splitlines()]
    expected = loaded().answer(TEXTS)
    assert [line["answer"] for line in written] == [given.answer for given in expected]
    for line, given in zip(written, expected, strict=True):
        assert line["confidence"] == pytest.approx(given.confidence, abs=2e-4)
