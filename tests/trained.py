"""A small student that the stage train has written."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import yaml

from promptstill.core.files import file_hash, write_json, write_rows
from promptstill.core.paths import HOME, certified_file, out
from stages.train import __main__ as train
from tests.params import section
from tests.project import label_of, row, write
from tests.rows import split_row
from tests.tiny_encoder import make_tiny_encoder

TASK = "colour"


def write_split(project: Path, base: str, **changes: Any) -> None:
    """Params and certified split files for a training of the task `colour` on 18 rows and 6.

    Runs in `project`.
    """
    document = yaml.safe_load((project / "params.yaml").read_text())
    document[TASK] = section(base)
    document[TASK]["train"] |= {"epochs": 2, "learning_rate": 0.05} | changes
    write(project / "params.yaml", yaml.safe_dump(document))
    labels = [label_of(row(i)["input"]) for i in range(24)]
    rows = [split_row(i, answer=label, label=label) for i, label in enumerate(labels)]
    files = {name: out("split", TASK, name) for name in ("train", "validation")}
    for name, part in {"train": rows[:18], "validation": rows[18:]}.items():
        write_rows(files[name], part)
    write_json(certified_file(TASK), {name: file_hash(path) for name, path in files.items()})


def trained(project: Path, base: str) -> None:
    """Train it in `models/colour`."""
    write_split(project, base)
    train.main(TASK)


def write_encoder_split(project: Path, pooling: str = "mean", **changes: Any) -> None:
    """The same for a tiny encoder, which is made in `base`, without the params that only a causal student
    needs."""
    make_tiny_encoder(project / "base", {"pooling_mode": pooling})
    write_split(project, "./base", student="encoder", adapted_layers=2, rank=8, **changes)
    document = yaml.safe_load((project / "params.yaml").read_text())
    for name in ("max_answer_tokens", "cache_gb"):
        del document[TASK]["train"][name]
    write(project / "params.yaml", yaml.safe_dump(document))


def checkpoint_file(project: Path) -> Path:
    """The state of a training in a project."""
    return project / HOME / "train" / f"{TASK}.safetensors"


def train_to_be_killed(project: str) -> None:
    """The whole life of a process that trains, silently and with a checkpoint before every step."""
    from stages.train import checkpoint

    os.chdir(project)
    os.environ.pop("PROMPTSTILL_HOME", None)
    sys.stdout = sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115
    checkpoint.INTERVAL = 0.0
    train.main(TASK)
