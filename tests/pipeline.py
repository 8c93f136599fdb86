"""DVC on the small project: running it, and reading what it did."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from tests.project import make_project, make_tiny_student, record_answers, with_pipeline

TASKS = ("colour", "colour-json")
STAGES = ("ingest", "generate", "validate", "dedupe", "review", "split", "train", "eval", "report")


def environment() -> dict[str, str]:
    """A person's environment. A project's home is its own `.still`, which copies of the project hold too."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    outside = ("DVC_", "PYTHONPATH", "PROMPTSTILL_")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(outside)}
    person = {
        f"GIT_{who}_{what}": "t@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
    }
    return clean | person | {"PATH": path}


def dvc(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "dvc", *arguments],
        cwd=project,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )


def git(project: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=project, env=environment(), check=True, capture_output=True)


def stages_run(ended: subprocess.CompletedProcess[str]) -> list[str]:
    """Stages whose command ran; those restored from the run cache or left alone do not count."""
    return re.findall(r"Running stage '([^']+)'", ended.stdout)


def lock(project: Path) -> dict[str, Any]:
    """Hashes of every out, by stage."""
    document = yaml.safe_load((project / "dvc.lock").read_text())["stages"]
    return {name: {out["path"]: out["md5"] for out in stage["outs"]} for name, stage in document.items()}


def build(project: Path) -> None:
    """Make the project in a folder, with a commit, and build it from end to end with `dvc repro`."""
    project.mkdir(parents=True)
    make_project(project)
    with_pipeline(project)
    make_tiny_student(project / "tiny")
    here = Path.cwd()
    os.chdir(project)
    try:
        for task in TASKS:
            command = [sys.executable, "-m", "stages.ingest", task]
            subprocess.run(command, env=environment(), check=True, capture_output=True)
            record_answers(project, task)
    finally:
        os.chdir(here)
    git(project, "init", "-q")
    git(project, "add", "-A")
    git(project, "commit", "-qm", "start")
    ended = dvc(project, "repro")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert sorted(stages_run(ended)) == sorted(f"{stage}@{task}" for stage in STAGES for task in TASKS)
