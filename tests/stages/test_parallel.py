"""train: several processes that share every batch give the student of one; what does not fit is divided."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from safetensors.torch import load
from transformers.models.llama.modeling_llama import LlamaMLP

from promptstill.console.errors import UserError
from promptstill.core.files import read_json
from promptstill.core.paths import details_file, model_dir, plot_file
from stages.train import __main__ as stage
from stages.train.params import TrainParams
from tests.params import train_params
from tests.project import REPOSITORY, write
from tests.trained import TASK, checkpoint_file, write_split

SETTINGS = {"epochs": 12, "batch_size": 5, "token_dropout": 0.2}
ADAPTER = "adapter_model.safetensors"


def start(*launcher: str, path: Path = REPOSITORY) -> subprocess.Popen[str]:
    """The stage in a process of its own, which may start others. `path` is searched for modules first."""
    return subprocess.Popen(
        [sys.executable, "-m", *launcher, "stages.train", TASK],
        env=os.environ | {"PYTHONPATH": f"{path}:{REPOSITORY}", "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def written(project: Path, running: subprocess.Popen[str] | None = None, says: str = "") -> dict[str, bytes]:
    """The files of the student, which are removed, after the end of what writes them and `says` something."""
    if running is None:
        stage.main(TASK)
    else:
        out, err = running.communicate()
        assert running.returncode == 0, err
        assert out.count("best epoch") == 1, "only one process prints"
        assert says in err
    files = {path.name: path.read_bytes() for path in (project / model_dir(TASK)).iterdir()}
    shutil.rmtree(project / model_dir(TASK))
    return files


def assert_close(left: Mapping[str, bytes], right: Mapping[str, bytes]) -> None:
    """Adapters that differ by rounding alone."""
    tensors, others = load(left[ADAPTER]), load(right[ADAPTER])
    assert tensors.keys() == others.keys()
    assert all(torch.allclose(value, others[name], atol=1e-4) for name, value in tensors.items())


def test_two_processes_give_the_student_of_one_and_go_on_after_a_kill(project: Path, tiny: str) -> None:
    write_split(project, tiny, **SETTINGS)
    of_one = written(project)
    metrics = read_json(details_file("train", TASK))
    curve = plot_file(TASK, "train_curve").read_text().splitlines()
    write_split(project, tiny, **SETTINGS, processes=2, micro_batch_size=2)
    of_two = written(project, start())
    assert_close(of_two, of_one)
    its = read_json(details_file("train", TASK))
    assert its["validation_accuracy"] == metrics["validation_accuracy"]
    for name in ("train_loss", "validation_loss"):
        assert its[name] == pytest.approx(metrics[name], abs=1e-3)
    assert len(plot_file(TASK, "train_curve").read_text().splitlines()) == len(curve)

    killed = start()
    while not checkpoint_file(project).exists() and killed.poll() is None:
        time.sleep(0.01)
    killed.kill()
    killed.communicate()
    assert not model_dir(TASK).exists(), "the processes end with the one that started them"
    assert written(project, start(), says="training goes on after step") == of_two

    # The processes of another launcher.
    options = [
        "--cpu",
        "--num_processes=2",
        "--num_machines=1",
        "--mixed_precision=no",
        "--dynamo_backend=no",
    ]
    assert written(project, start("accelerate.commands.launch", *options, "-m")) == of_two


def test_rows_that_are_computed_in_parts_and_layers_again_give_the_same_student(
    project: Path, tiny: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_split(project, tiny, **SETTINGS)
    whole = written(project)
    passes: list[int] = []
    forward = LlamaMLP.forward

    def counted(self: LlamaMLP, x: torch.Tensor) -> torch.Tensor:
        passes.append(1)
        result: torch.Tensor = forward(self, x)
        return result

    monkeypatch.setattr(LlamaMLP, "forward", counted)
    write_split(project, tiny, **SETTINGS, micro_batch_size=2)
    assert_close(written(project), whole)
    without = len(passes)
    write_split(project, tiny, **SETTINGS, micro_batch_size=2, gradient_checkpointing=True)
    assert_close(written(project), whole)
    assert len(passes) - without > without, "the adapted layers were computed again"


def in_second_process(project: Path, *code: str) -> Path:
    """A folder with what Python runs at its start, in the second process alone."""
    lines = ["import os", "if os.environ.get('RANK') == '1':", *(f"    {line}" for line in code)]
    write(project / "hook/sitecustomize.py", "\n".join(lines) + "\n")
    return project / "hook"


def test_an_error_of_one_process_is_shown_wherever_it_is(project: Path, tiny: str) -> None:
    write_split(project, tiny, epochs=400, processes=2)
    hook = in_second_process(
        project,
        "from torch.optim import AdamW",
        "def step(self, closure=None):",
        "    raise MemoryError",
        "AdamW.step = step",
    )
    running = start(path=hook)
    _, err = running.communicate()
    assert running.returncode == 1
    assert "MemoryError" in err
    assert "Connection" not in err, "the first process says nothing about the other one's end"


def test_processes_with_different_checkpoints_are_refused(project: Path, tiny: str) -> None:
    write_split(project, tiny, **SETTINGS, processes=2)
    killed = start()
    while not checkpoint_file(project).exists() and killed.poll() is None:
        time.sleep(0.01)
    killed.kill()
    killed.communicate()
    running = start(path=in_second_process(project, "os.environ['PROMPTSTILL_HOME'] = 'elsewhere'"))
    _, err = running.communicate()
    assert running.returncode == 1
    assert "not all processes have this checkpoint" in err
    assert "Traceback" not in err


def test_processes_that_do_not_fit_the_params_are_refused(
    project: Path, tiny: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_split(project, tiny, **SETTINGS)
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(UserError, match=r"train\.processes: is 1, but 2 were started"):
        stage.main(TASK)


def test_an_error_of_all_processes_is_one_line(project: Path, tiny: str) -> None:
    write_split(project, tiny, epochs=4, learning_rate=1e30, processes=2)
    running = start()
    _, err = running.communicate()
    assert running.returncode == 1
    (line,) = [line for line in err.splitlines() if line.startswith("error: ")]
    assert "training diverged" in line
    assert "Traceback" not in err


@pytest.mark.parametrize(
    "changes",
    [{"processes": 2}, {"micro_batch_size": 2}, {"gradient_checkpointing": True}, {"vary_passages": True}],
)
def test_an_encoder_has_none_of_these(changes: dict[str, object]) -> None:
    block = train_params(student="encoder").model_dump() | changes
    with pytest.raises(UserError, match="cannot be set for an encoder"):
        TrainParams.check(block, "colour.train")
