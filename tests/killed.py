"""Trainings in processes of their own, to be killed."""

from __future__ import annotations

import json
import multiprocessing
import random
import shutil
import time
from multiprocessing.process import BaseProcess
from pathlib import Path

from safetensors import safe_open

from promptstill.core.paths import model_dir
from tests.trained import TASK, checkpoint_file, train_to_be_killed

KILLS = 3


def started(project: Path) -> BaseProcess:
    """A process that trains, forked from one that has the libraries loaded."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["stages.train.trainer", "stages.train.adapter", "stages.train.mixing"])
    process = context.Process(target=train_to_be_killed, args=(str(project),))
    process.start()
    return process


def ended(process: BaseProcess) -> None:
    """Wait for a training that nobody kills."""
    process.join()
    assert process.exitcode == 0


def killed(process: BaseProcess, file: Path, seconds: float) -> int:
    """Kill a training some seconds after its first checkpoint; return the step that it had written last."""
    before = file.stat().st_mtime_ns if file.exists() else 0
    while process.is_alive() and (not file.exists() or file.stat().st_mtime_ns == before):
        time.sleep(0.001)
    process.join(seconds)
    assert process.exitcode is None, "it ended before it was killed"
    process.kill()
    process.join()
    with safe_open(file, "pt") as kept:
        return int(json.loads(kept.metadata()["counts"])["step"])


def files_of(project: Path) -> dict[str, bytes]:
    """The files of the student's folder."""
    return {path.name: path.read_bytes() for path in sorted((project / model_dir(TASK)).iterdir())}


def check_kills(project: Path, seed: str) -> None:
    """Train once undisturbed and once with kills, and compare every file of the student."""
    ended(started(project))
    expected = files_of(project)
    assert "adapter_model.safetensors" in expected
    assert not checkpoint_file(project).exists()

    shutil.rmtree(project / model_dir(TASK))
    pick = random.Random(seed)
    steps = [killed(started(project), checkpoint_file(project), pick.uniform(0, 0.2)) for _ in range(KILLS)]
    assert steps[0] > 0
    assert steps == sorted(steps), "a training began anew"
    assert not (project / model_dir(TASK)).exists()
    ended(started(project))
    assert files_of(project) == expected
