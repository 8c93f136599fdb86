"""`still compare`: a real repository in Git and DVC, whose two stages take no time."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from promptstill.console.errors import UserError
from still import compare
from tests.pipeline import dvc, environment, git
from tests.project import REPOSITORY, make_project, write

PIPELINE = """stages:
  train:
    matrix: {task: "${tasks}"}
    cmd: python train.py ${item.task}
    params: ["${item.task}.train"]
    deps: [train.py]
    outs: ["models/${item.task}", "data/train/${item.task}/metrics.json"]
  eval:
    matrix: {task: "${tasks}"}
    cmd: python eval.py ${item.task}
    deps: [eval.py, "models/${item.task}"]
    outs: ["data/eval/${item.task}/metrics.json"]
"""
# The learning rate decides how training ends; `ran` counts the trainings outside the copy that DVC makes.
TRAIN = """import json, os, signal, sys, time
from pathlib import Path
import yaml
task = sys.argv[1]
params = yaml.safe_load(Path("params.yaml").read_text())[task]["train"]
home = Path(os.environ["PROMPTSTILL_HOME"])
home.mkdir(exist_ok=True)
with (home / "ran").open("a") as ran:
    ran.write(f"{params['rank']} {params['learning_rate']}\\n")
if params["learning_rate"] > 0.5:
    sys.exit("error: training diverged: the loss is inf after step 3")
if params["learning_rate"] > 0.4:
    os.kill(os.getpid(), signal.SIGKILL)
if params["learning_rate"] == 0.25 and not (home / "go").exists():
    time.sleep(600)
if params["learning_rate"] > 0.3:
    print("training goes on after step 7", file=sys.stderr)
model, metrics = Path("models", task), Path("data/train", task, "metrics.json")
model.mkdir(parents=True)
(model / "adapter").write_text(json.dumps(params) + " " * 200_000 * params["rank"])
metrics.parent.mkdir(parents=True, exist_ok=True)
metrics.write_text(json.dumps({
    "rows": {"train": 90, "validation": 100}, "trainable_parameters": 1000 * params["rank"],
    "validation_accuracy": 0.9, "validation_loss": params["learning_rate"]}))
"""
EVAL = """import json, os, sys
from pathlib import Path
task = sys.argv[1]
speed = Path(os.environ["PROMPTSTILL_HOME"], "speed", f"{task}.json")
speed.parent.mkdir(exist_ok=True)
speed.write_text(json.dumps({"single_p50_ms": 12.5, "rows_per_second": 80.0}))
out = Path("data/eval", task, "metrics.json")
out.parent.mkdir(parents=True, exist_ok=True)
out.write_text("{}")
"""
# What follows the number in the lines below the table.
NOT_CELLS = ("dvc", "failed:")


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with a pipeline of two quick stages; the test runs inside it, as a person."""
    root = tmp_path / "main"
    make_project(root, tasks=("colour",))
    for name, text in (("dvc.yaml", PIPELINE), ("train.py", TRAIN), ("eval.py", EVAL)):
        write(root / name, text)
    shutil.copy(REPOSITORY / ".gitignore", root)
    write(root / ".dvc/config", (REPOSITORY / ".dvc/config").read_text())
    write(root / ".dvc/.gitignore", (REPOSITORY / ".dvc/.gitignore").read_text())
    git(root, "init", "-q")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "start")
    monkeypatch.chdir(root)
    for name in set(os.environ) - set(environment()):
        monkeypatch.delenv(name)
    for name, value in environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PROMPTSTILL_HOME", str(root / ".still"))
    monkeypatch.setenv("COLUMNS", "120")
    return root


def run(*settings: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "still.cli", "compare", "colour", *settings]
    return subprocess.run(command, env=with_code(), capture_output=True, text=True, check=False)


def with_code() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(REPOSITORY)}


def trainings(root: Path) -> list[str]:
    """Rank and learning rate of all trainings that ran."""
    return (root / ".still/ran").read_text().splitlines()


def rows(printed: str) -> dict[str, list[str]]:
    """The cells of each numbered row of the table."""
    cells = [line.split() for line in printed.splitlines() if line.strip()]
    return {first: rest for first, *rest in cells if first.isdecimal() and rest[0] not in NOT_CELLS}


def state(root: Path) -> list[str]:
    """The workspace as Git sees it, ignored files included."""
    command = ["git", "status", "--short", "--ignored"]
    lines = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout.splitlines()
    return [line for line in lines if not line.startswith(("!! .dvc/", "!! .still/"))]


def params_of(root: Path) -> dict[str, Any]:
    params: dict[str, Any] = yaml.safe_load((root / "params.yaml").read_text())["colour"]["train"]
    return params


def test_all_combinations_become_experiments_and_a_failure_stops_no_other(repository: Path) -> None:
    speed = repository / ".still/speed/colour.json"
    write(speed, '{"single_p50_ms": 99.0, "rows_per_second": 1.0}')
    before = state(repository), params_of(repository)
    ended = run("rank=4", "learning_rate=0.9,0.45,0.01,1e-2", "layers=1")
    assert ended.returncode == 0, ended.stderr
    assert trainings(repository) == ["4 0.9", "4 0.45", "4 0.01"]
    table = rows(ended.stdout)
    assert table["1"] == ["4", "0.9", "1", "failed"]
    assert table["2"] == ["4", "0.45", "1", "failed"]
    *figures, seconds = table["3"]
    assert figures == ["4", "0.01", "1", "0.900", "0.0100", "0.8", "4,000", "12", "80.0"]
    assert seconds.isdecimal()
    assert "1  failed: training diverged: the loss is inf after step 3\n" in ended.stdout
    # Some shells end with -9, others with 137.
    (killed,) = (line for line in ended.stdout.splitlines() if line.startswith("2  failed: "))
    assert killed.endswith(
        "(killed, as a system does when memory runs out; lower train.batch_size or train.cache_gb)"
    )
    assert "With 100 validation rows, an accuracy of 0.900 has a standard error of 0.030" in ended.stdout
    assert (state(repository), params_of(repository)) == before, "the workspace stays as it is"
    assert "99.0" in speed.read_text(), "the speed is that of the workspace's student again"
    page = (repository / ".still/compare/colour.html").read_text()
    assert '<td class="number">4,000</td>' in page
    assert "</span>: training diverged: the loss is inf after step 3</td>" in page

    name = "colour+rank=4+learning_rate=0.01+layers=1"
    assert f"3  dvc exp apply {name}\n" in ended.stdout
    applied = dvc(repository, "exp", "apply", name)
    assert applied.returncode == 0, applied.stderr
    changes = {"rank": 4, "learning_rate": 0.01, "layers": 1}
    assert params_of(repository) == before[1] | changes


def test_an_interrupted_comparison_takes_what_is_finished_from_the_run_cache(repository: Path) -> None:
    command = [sys.executable, "-m", "still.cli", "compare", "colour", "learning_rate=0.01,0.25"]
    process = subprocess.Popen(
        command, env=with_code(), start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    while not (repository / ".still/ran").exists() or len(trainings(repository)) < 2:
        assert process.poll() is None
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    write(repository / ".still/go", "")
    # As on a machine that has DVC's cache, and has measured nothing.
    (repository / ".still/compare/colour.json").unlink()
    ended = run("learning_rate=0.01,0.25,0.35")
    assert ended.returncode == 0, ended.stderr
    assert trainings(repository) == ["2 0.01", "2 0.25", "2 0.25", "2 0.35"]
    table = rows(ended.stdout)
    assert table["1"][-3:] == ["cached", "cached", "cached"]
    assert table["2"][-1].isdecimal()
    assert table["3"][-1] == "resumed", "the time of a training that went on is not that of a training"

    again = run("learning_rate=0.25")
    assert rows(again.stdout)["1"] == table["2"], "what was measured is remembered"
    assert len(trainings(repository)) == 4


def test_a_comparison_of_failures_only_fails(repository: Path) -> None:
    ended = run("learning_rate=0.9")
    assert ended.returncode == 1
    assert ended.stderr.endswith(
        "error: colour: no configuration could be trained; the lines above say why\n"
    )
    assert "1  failed: training diverged" in ended.stdout


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["rnk=2"], "colour.train.rnk: unknown key (did you mean rank?)"),
        (["rank=2,0"], "colour.train.rank: input should be greater than or equal to 1, got 0"),
        (["rank"], "rank: not NAME=VALUE[,VALUE...]; write for example learning_rate=0.001,0.002"),
        (["rank=2,"], "rank=2,: not NAME=VALUE[,VALUE...]; write for example learning_rate=0.001,0.002"),
        (["rank=1", "rank=2"], "rank=2: rank is there twice; list its values after one rank="),
        (["rank=["], "colour.train.rank: '[' is not a value of YAML; correct it"),
    ],
)
def test_a_bad_argument_is_one_line(project: Path, settings: list[str], message: str) -> None:
    with pytest.raises(UserError) as error:
        compare.configurations_of("colour", settings)
    assert str(error.value) == message


def test_params_of_a_combination_are_checked_together(project: Path) -> None:
    document = yaml.safe_load((project / "params.yaml").read_text())
    document["colour"]["train"]["layers"] = 1
    write(project / "params.yaml", yaml.safe_dump(document))
    (made,) = compare.configurations_of("colour", ["student=encoder", "layers=null"])
    assert made.changes == {"student": "encoder", "layers": None}
    with pytest.raises(UserError, match="an encoder keeps all layers"):
        compare.configurations_of("colour", ["student=encoder"])


def test_names_are_references_of_git(project: Path) -> None:
    (made,) = compare.configurations_of("colour", ["base=../a~b/x..y@0.lock", "layers=null"])
    assert made.changes == {"base": "../a~b/x..y@0.lock", "layers": None}
    assert re.fullmatch(r"colour\+base=-\.-a-b-x-\.y-0\.lock\+layers=null-[0-9a-f]{8}", made.name)
    git(project, "check-ref-format", f"refs/exps/ab/cd/{made.name}")
    (made,) = compare.configurations_of("colour", ["base=./x.lock"])
    git(project, "check-ref-format", f"refs/exps/ab/cd/{made.name}")


def test_different_values_have_different_names(project: Path) -> None:
    made = compare.configurations_of("colour", ["base=a/b,a-b,a~b,a//b,a..b,a.-b"])
    assert len({configuration.name for configuration in made}) == 6
    assert made[1].name == "colour+base=a-b", "a name that Git accepts stays as it is"
    (together,) = compare.configurations_of("colour", ["base=a+layers=1"])
    (apart,) = compare.configurations_of("colour", ["base=a", "layers=1"])
    assert together.name != apart.name == "colour+base=a+layers=1"
