"""Where the home is: here, elsewhere by wish, and in copies that DVC and Git make."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from promptstill.core.paths import cache_dir, journal_file
from promptstill.teacher.api_key import read_api_key
from tests.pipeline import dvc, git
from tests.project import REPOSITORY, make_project, write

SHOW = """stages:
  show:
    cmd: python -m show
    deps: [params.yaml]
    outs: [shown.json]
"""
SHOWN = """import json
from pathlib import Path
from promptstill.core.paths import journal_file
Path("shown.json").write_text(json.dumps([str(Path.cwd()), str(journal_file())]))
"""


@pytest.fixture
def main(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository in Git and DVC, whose one stage writes down where the journal is."""
    monkeypatch.delenv("PROMPTSTILL_HOME", raising=False)
    root = tmp_path / "main"
    make_project(root)
    write(root / "dvc.yaml", SHOW)
    write(root / "show.py", SHOWN)
    shutil.copy(REPOSITORY / ".gitignore", root)
    write(root / ".dvc/config", (REPOSITORY / ".dvc/config").read_text())
    write(root / ".dvc/.gitignore", (REPOSITORY / ".dvc/.gitignore").read_text())
    shutil.copytree(
        REPOSITORY / "promptstill", root / "promptstill", ignore=shutil.ignore_patterns("__pycache__")
    )
    git(root, "init", "-q")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "start")
    monkeypatch.chdir(root)
    return root


@pytest.mark.parametrize("options", [["--temp"], ["--queue"]])
def test_an_experiment_in_a_copy_uses_the_journal_of_the_main_repository(
    main: Path, options: list[str]
) -> None:
    ended = dvc(main, "exp", "run", *options, "--name", "copied")
    assert ended.returncode == 0, ended.stderr
    if options == ["--queue"]:
        ended = dvc(main, "exp", "run", "--run-all")
        assert ended.returncode == 0, ended.stderr
    applied = dvc(main, "exp", "apply", "copied")
    assert applied.returncode == 0, applied.stderr
    where, journal = json.loads((main / "shown.json").read_text())
    assert (main / ".dvc/tmp/exps") in Path(where).parents
    assert Path(journal) == main / ".still/journal.sqlite"


def test_a_worktree_uses_the_journal_of_the_main_one_unless_it_has_its_own(
    main: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    worktree = tmp_path / "other"
    git(main, "worktree", "add", "-q", str(worktree))
    assert journal_file() == Path(".still/journal.sqlite")
    monkeypatch.chdir(worktree)
    assert journal_file() == main / ".still/journal.sqlite"
    monkeypatch.setenv("PROMPTSTILL_HOME", "shared")
    assert cache_dir() == main / "shared"
    monkeypatch.setenv("PROMPTSTILL_HOME", "/disk/shared")
    assert cache_dir() == Path("/disk/shared")
    monkeypatch.delenv("PROMPTSTILL_HOME")
    (worktree / ".still").mkdir()
    assert journal_file() == Path(".still/journal.sqlite")


def test_a_copy_uses_the_keys_of_the_main_repository(
    main: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("EXAMPLE_KEY", raising=False)
    write(main / ".env", "EXAMPLE_KEY=from-main\n")
    worktree = tmp_path / "other"
    git(main, "worktree", "add", "-q", str(worktree))
    monkeypatch.chdir(worktree)
    assert read_api_key("EXAMPLE_KEY") == "from-main"
    write(worktree / ".env", "EXAMPLE_KEY=from-worktree\n")
    assert read_api_key("EXAMPLE_KEY") == "from-worktree"


def test_a_clone_or_a_submodule_has_a_home_of_its_own(
    main: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", str(main), str(clone)], check=True)
    monkeypatch.chdir(clone)
    assert cache_dir() == Path(".still")
    submodule = tmp_path / "above/part"
    write(submodule / ".git", f"gitdir: {main}/.git/modules/part\n")
    monkeypatch.chdir(submodule)
    assert cache_dir() == Path(".still")
