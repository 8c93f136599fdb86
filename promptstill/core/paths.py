"""Where everything is, relative to the root of the repository. A path names the stage that wrote it."""

from __future__ import annotations

import os
from pathlib import Path

PARAMS = Path("params.yaml")
HOME = ".still"
# Where DVC keeps the copies of the repository that it runs experiments in.
EXPERIMENTS = (".dvc", "tmp", "exps")


def out(stage: str, task: str, name: str = "rows") -> Path:
    """A file that `stage` writes for `task`: `data/<stage>/<task>/<name>.jsonl`."""
    return Path("data") / stage / task / f"{name}.jsonl"


def details_file(stage: str, task: str, name: str = "metrics") -> Path:
    """What `stage` counted for `task`, beside its rows: `data/<stage>/<task>/<name>.json`."""
    return Path("data") / stage / task / f"{name}.json"


def traffic_file(task: str) -> Path:
    """Raw rows, as they arrived."""
    return Path("data/traffic") / f"{task}.jsonl"


def recorded_file(task: str) -> Path:
    """Teacher answers recorded earlier."""
    return Path("data/recorded") / f"{task}.jsonl"


def reviews_file(task: str) -> Path:
    """Human decisions, append-only."""
    return Path("data/reviews") / f"{task}.jsonl"


def pins_file(task: str) -> Path:
    """Rows that keep the split they had in a release."""
    return Path("data/pinned") / f"{task}.jsonl"


def golden_file(task: str) -> Path:
    """Evaluation cases that never enter training."""
    return Path("golden") / f"{task}.jsonl"


def prompt_file(task: str) -> Path:
    """The teacher's prompt, with `{input}` as its only placeholder."""
    return Path("prompts") / task / "teacher.md"


def rubric_file(task: str) -> Path:
    """How the teacher grades its own answers, with `{input}` and `{answer}`; for `generate.grade`."""
    return Path("prompts") / task / "rubric.md"


def expectation_file(task: str, name: str) -> Path:
    """One of answer.schema.json, suite.json, normalise.yaml, slices.yaml."""
    return Path("expectations") / task / name


def metrics_file(task: str, name: str) -> Path:
    """A few scores for `dvc metrics`, in Git. All other figures are in `details_file`."""
    return Path("metrics") / task / f"{name}.json"


def plot_file(task: str, name: str) -> Path:
    """Small CSV for `dvc plots`, in Git."""
    return Path("metrics") / task / f"{name}.csv"


def certified_file(task: str) -> Path:
    """SHA-256 of the files that split certified for training."""
    return Path("data/split") / task / "certified.json"


def model_dir(task: str) -> Path:
    """The adapter and all that the student needs to answer."""
    return Path("models") / task


def report_dir(task: str) -> Path:
    """The cards and the page about a build."""
    return Path("reports") / task


def cache_dir() -> Path:
    """What outlives every rebuild and no stage declares: the journal, embeddings and converted models.

    `PROMPTSTILL_HOME` moves it, for example to a disk that several clones share. A copy of the repository
    that DVC or Git made uses the home of the main one.
    """
    return main_root() / os.environ.get("PROMPTSTILL_HOME", HOME)


def main_root() -> Path:
    """The root of the main repository: `.`, or another folder if the working directory is in a copy of it.

    `dvc exp run --temp` and `--queue` work in `.dvc/tmp/exps/...`, which is removed afterwards, with all that
    was paid for there. A worktree of Git stays, so it keeps a home of its own if it has one.
    """
    here = Path.cwd()
    copies = (folder for folder in here.parents if folder.parts[-3:] == EXPERIMENTS)
    root = next((folder.parents[2] for folder in copies), here)
    if not (root / HOME).exists():
        root = _main_worktree(root)
    return Path() if root == here else root


def _main_worktree(root: Path) -> Path:
    """The folder of the main worktree that corresponds to `root`, which may be in a linked one."""
    for folder in (root, *root.parents):
        link = folder / ".git"
        if link.is_dir():
            break
        if link.is_file():
            # `gitdir: /main/.git/worktrees/NAME`; submodules have another path.
            folder_of_git = folder / link.read_text(encoding="utf-8").strip().removeprefix("gitdir: ")
            main = folder_of_git.parents[2] / root.relative_to(folder)
            if folder_of_git.parent.name == "worktrees" and (main / PARAMS).exists():
                return main.resolve()
            break
    return root


def journal_file() -> Path:
    """Every answer that was paid for."""
    return cache_dir() / "journal.sqlite"
