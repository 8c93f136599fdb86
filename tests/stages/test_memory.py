"""train: memory that runs out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from promptstill.console.errors import UserError
from stages.train.checkpoint import Checkpoint
from stages.train.frozen_layers import LayeredModel
from stages.train.memory import enough_memory
from stages.train.trainer import train
from tests.params import train_params
from tests.stages.tiny_student import adapted, colours


def on_a_gpu() -> None:
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.")


def on_a_cpu() -> torch.Tensor:
    return torch.empty(2**58)


def in_python() -> bytearray:
    return bytearray(2**62)


@pytest.mark.parametrize("allocate", [on_a_gpu, on_a_cpu, in_python])
def test_every_way_to_run_out_of_memory_is_one_line(allocate: Callable[[], object]) -> None:
    with (
        pytest.raises(UserError, match=r"^out of memory in a step; lower train\.batch_size$"),
        enough_memory("a step", "train.batch_size"),
    ):
        allocate()


def test_any_other_error_of_torch_keeps_its_traceback() -> None:
    with pytest.raises(RuntimeError, match="shapes"), enough_memory("a step", "train.batch_size"):
        torch.zeros(2, 3) @ torch.zeros(2, 3)


@pytest.mark.parametrize(
    ("part", "cache_gb", "words"),
    [
        ("logits", 1.0, "a training step; lower train.batch_size or train.max_input_tokens"),
        ("lower", 0.0, "a training step; lower train.batch_size or train.max_input_tokens"),
        ("lower", 1.0, "keeping the outputs of the frozen layers; lower train.cache_gb"),
    ],
)
def test_training_names_what_to_lower(
    tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str, cache_gb: float, words: str
) -> None:
    model, layered = adapted(tiny)
    task = colours(tiny, 6)
    monkeypatch.setattr(LayeredModel, part, lambda *_: on_a_cpu())
    with pytest.raises(UserError, match=f"out of memory in {words}"):
        data = task.data(layered, cache_gb)
        train(model, data, data, train_params(), Checkpoint(tmp_path / "checkpoint", "key"))


def test_validation_names_what_to_lower(tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, layered = adapted(tiny)
    task = colours(tiny, 6)
    learnt, held_out = task.data(layered), task.data(layered)
    monkeypatch.setattr(held_out, "losses", lambda _: on_a_cpu())
    words = r"out of memory in validation; lower train\.batch_size or train\.max_input_tokens"
    with pytest.raises(UserError, match=words):
        train(model, learnt, held_out, train_params(), Checkpoint(tmp_path / "checkpoint", "key"))
