"""Fixtures: a small project to work in, and a teacher that really listens on loopback."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from promptstill.core.lock import locked
from stages.ingest import __main__ as ingest
from tests.pipeline import build
from tests.project import REPOSITORY, configure, make_project, make_tiny_student, row, write_lines
from tests.teacher_server import TeacherServer

# Tests run side by side, one a core: threads of their own would only wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Ray reads these when it is imported: its clusters ask for a token, which is not kept in the home folder.
os.environ |= {
    "RAY_AUTH_MODE": "token",
    "RAY_AUTH_TOKEN": secrets.token_hex(32),
    "RAY_USAGE_STATS_ENABLED": "0",
}

# Times are no property of the code. On a busy machine, the first text that Hypothesis draws takes it seconds,
# because it builds its table of Unicode for it.
settings.register_profile("tests", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tests")

# The longest file: a worker begins with it, so that no worker is left alone with it at the end.
FIRST = "test_pipeline.py"

Run = Callable[..., subprocess.CompletedProcess[str]]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Hand the files to the workers in this order; see `--no-loadscope-reorder` in pyproject.toml."""
    items.sort(key=lambda item: item.path.name != FIRST)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with two tasks; the test runs inside it, with a journal of its own."""
    make_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PROMPTSTILL_HOME", str(tmp_path / ".still"))
    return tmp_path


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that `dvc repro` has built from end to end, once for all workers."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        # The folders of the workers lie in that of the run.
        folder = folder.parent
    with locked(folder / "built.lock", "process {pid} builds the project; waiting for it"):
        if not (folder / "built").exists():
            build(folder / "building")
            (folder / "building").rename(folder / "built")
    return folder / "built"


@pytest.fixture
def clone(built: Path, tmp_path: Path) -> Path:
    """A copy of the built project, DVC's cache and the home included, for one test to change."""
    return Path(shutil.copytree(built, tmp_path / "project", symlinks=True))


@pytest.fixture
def teacher() -> Iterator[TeacherServer]:
    """An OpenAI-compatible server on loopback that counts requests and can misbehave."""
    with TeacherServer() as server:
        yield server


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The folder of a tiny random base model."""
    folder = tmp_path_factory.mktemp("tiny") / "base"
    make_tiny_student(folder)
    return str(folder)


TEACHER_KEY = "planted-key-7f3a91"


@pytest.fixture
def ingested(project: Path, teacher: TeacherServer, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Twelve rows and six golden cases, ready to be asked about, and a teacher that is configured."""
    monkeypatch.setenv("TEST_TEACHER_KEY", TEACHER_KEY)
    write_lines(project / "data/traffic/colour.jsonl", [row(i) for i in range(12)])
    configure(project, base_url=teacher.url)
    ingest.main("colour")
    return project


@pytest.fixture
def run() -> Run:
    """Run `python -m MODULE ARGUMENTS` as a user does, and return what came out."""

    def runner(
        *arguments: str, cwd: Path | None = None, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", *arguments],
            cwd=cwd,
            env=os.environ | {"PYTHONPATH": str(REPOSITORY)} | environment,
            capture_output=True,
            text=True,
            check=False,
        )

    return runner
