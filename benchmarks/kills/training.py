"""Training that is killed again and again: whether the same student comes out."""

from __future__ import annotations

import json
import random
import shutil
from contextlib import chdir
from multiprocessing.context import ForkServerContext
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from typing import Any

from safetensors import safe_open

from promptstill.core.paths import model_dir
from tests.project import make_project, make_tiny_student
from tests.trained import TASK, checkpoint_file, train_to_be_killed, write_split

# Enough steps for a run of some seconds, of which a kill may be in any.
SETTINGS = {"epochs": 60, "batch_size": 2, "token_dropout": 0.1}


def measure_training(context: ForkServerContext, wanted: int) -> dict[str, Any]:
    """Kill training until there were `wanted` kills; each run goes on until a process comes to its end.

    Every tenth run is not killed, as the first one, whose student all others must have. The others are killed
    within the time that it took.
    """
    pick = random.Random(0)
    counts = dict.fromkeys(("kills", "runs", "kills_after_a_checkpoint", "students_that_differ"), 0)
    with TemporaryDirectory() as folder:
        root = Path(folder)
        make_project(root)
        make_tiny_student(root / "tiny")
        with chdir(root):
            write_split(root, "./tiny", **SETTINGS)
        expected: dict[str, bytes] = {}
        longest = 0.0
        while counts["kills"] < wanted or not expected:
            shutil.rmtree(root / model_dir(TASK), ignore_errors=True)
            undisturbed = counts["runs"] % 10 == 0
            began = monotonic()
            _run(context, root, pick, None if undisturbed else longest, counts)
            if undisturbed:
                longest = monotonic() - began
            student = {path.name: path.read_bytes() for path in (root / model_dir(TASK)).iterdir()}
            expected = expected or student
            counts["runs"] += 1
            counts["students_that_differ"] += student != expected
            print(f"train: {json.dumps(counts)}", flush=True)
    return counts


def _run(
    context: ForkServerContext,
    root: Path,
    pick: random.Random,
    longest: float | None,
    counts: dict[str, int],
) -> None:
    """Start training until it ends by itself. Raises RuntimeError if it goes back behind a checkpoint."""
    reached = 0
    while True:
        process = context.Process(target=train_to_be_killed, args=(str(root),))
        process.start()
        process.join(None if longest is None else pick.uniform(0, longest))
        if process.exitcode is not None:
            if process.exitcode != 0:
                raise RuntimeError(f"training ended with exit status {process.exitcode}")
            return
        process.kill()
        process.join()
        counts["kills"] += 1
        if checkpoint_file(root).exists():
            counts["kills_after_a_checkpoint"] += 1
            step = _step(checkpoint_file(root))
            if step < reached:
                raise RuntimeError(f"training was at step {reached}, and is at step {step}")
            reached = step


def _step(file: Path) -> int:
    with safe_open(file, "pt") as kept:
        return int(json.loads(kept.metadata()["counts"])["step"])
