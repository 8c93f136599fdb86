"""train: a killed run goes on where it was, and its adapter is that of a run that was not killed."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import tokenizers
import torch

from promptstill.console.errors import UserError
from stages.train import checkpoint
from stages.train.checkpoint import Checkpoint, training_key
from stages.train.trainer import train
from tests.killed import check_kills
from tests.params import train_params
from tests.stages.tiny_student import adapted, colours
from tests.trained import write_split


@pytest.mark.parametrize("dropout", [0.0, 0.3], ids=["plain", "dropout"])
def test_a_training_that_is_killed_gives_the_same_student(project: Path, tiny: str, dropout: float) -> None:
    write_split(project, tiny, epochs=20, batch_size=2, token_dropout=dropout)
    check_kills(project, str(dropout))


def interrupted(base: str, kept: Checkpoint, monkeypatch: pytest.MonkeyPatch, **changes: Any) -> Any:
    """Train with a checkpoint before every step."""
    monkeypatch.setattr(checkpoint, "INTERVAL", 0.0)
    model, layered = adapted(base)
    task = colours(base, 12)
    params = train_params(**{"epochs": 3, "batch_size": 4, "learning_rate": 0.05} | changes)
    parts = [task.data(layered, of=part) for part in (slice(9), slice(9, None))]
    return train(model, parts[0], parts[1], params, kept)


def test_a_training_that_was_killed_at_its_very_end_has_nothing_left_to_learn(
    tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = Checkpoint(tmp_path / "checkpoint", "key")
    first = interrupted(tiny, kept, monkeypatch)
    again = interrupted(tiny, kept, monkeypatch)
    assert again.curve == first.curve
    assert all(torch.equal(again.state[name], value) for name, value in first.state.items())


def test_a_training_that_diverges_leaves_the_state_before_it(
    tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = Checkpoint(tmp_path / "checkpoint", "key")
    with pytest.raises(UserError, match="diverged") as error:
        interrupted(tiny, kept, monkeypatch, learning_rate=1e30)
    assert "\n" not in str(error.value)
    _, counts = kept.load() or ({}, {})
    assert counts["losses"]
    assert all(loss < 1e6 for loss in counts["losses"])


@pytest.mark.parametrize(
    "damage",
    [lambda content: b"", lambda content: content[:-7], lambda content: b"\xff" * 40 + content[40:]],
    ids=["empty", "cut", "overwritten"],
)
def test_a_damaged_checkpoint_is_reported_and_ignored(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], damage: Any
) -> None:
    path = tmp_path / "checkpoint"
    kept = Checkpoint(path, "key")
    kept.save({"a": torch.arange(9.0)}, {"step": 1})
    path.write_bytes(damage(path.read_bytes()))
    assert kept.load() is None
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"{path}: cannot be read (")
    assert line.endswith("; training begins anew")


def test_a_checkpoint_of_another_training_is_ignored(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Checkpoint(tmp_path / "checkpoint", "key").save({"a": torch.arange(9.0)}, {"step": 1})
    assert Checkpoint(tmp_path / "checkpoint", "another").load() is None
    assert Checkpoint(tmp_path / "none", "key").load() is None
    assert capsys.readouterr().err == ""


def test_a_training_is_the_same_if_all_that_it_depends_on_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def key(rows: str = "rows", **changes: Any) -> str:
        return training_key(["base", "answers", rows, train_params(**changes).model_dump(mode="json")])

    assert key() == key()
    folders = [tmp_path / source.name for source in checkpoint.SOURCE]
    for folder, source in zip(folders, checkpoint.SOURCE, strict=True):
        shutil.copytree(source, folder)
    assert all((source / "__init__.py").is_file() for source in checkpoint.SOURCE)
    before = key()
    monkeypatch.setattr(checkpoint, "SOURCE", folders)
    assert key() == before
    keys = {key(), key(rows="others"), key(seed=1), key(layers=2)}
    for folder in folders:
        (folder / "__init__.py").write_text("# another\n")
        keys.add(key())
    (folders[0] / "deeper").mkdir()
    (folders[0] / "deeper/new.py").write_text("")
    keys.add(key())
    monkeypatch.setattr(checkpoint, "precision", lambda: torch.float16)
    keys.add(key())
    monkeypatch.setattr(tokenizers, "__version__", "another")
    keys.add(key())
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "a GPU")
    keys.add(key())
    assert len(keys) == 4 + len(folders) + 4


def test_a_checkpoint_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Checkpoint(tmp_path / "checkpoint", "key")
    kept.save({"a": torch.zeros(2)}, {"step": 1})

    def full(tensors: object, path: Path, metadata: object) -> None:
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(checkpoint, "save_file", full)
    with pytest.raises(OSError, match="No space left"):
        kept.save({"a": torch.ones(2)}, {"step": 2})
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint"]
    tensors, counts = kept.load() or ({}, {})
    assert counts == {"step": 1}
    assert torch.equal(tensors["a"], torch.zeros(2))
    kept.remove()
    assert kept.load() is None
