"""`python -m still.unlock`: files of DVC that a killed run has left truncated."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from still import unlock
from tests.project import write

HOLD_THE_LOCK = """
import fcntl, sys
lock = open(".dvc/tmp/lock", "a")
fcntl.flock(lock, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


def test_a_truncated_lock_file_is_removed_when_no_dvc_is_running(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    unlock.main()
    broken = tmp_path / ".dvc/tmp/rwlock"
    write(broken, '{"/x": {"wri')
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD_THE_LOCK],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert holder.stdout is not None
    holder.stdout.readline()
    unlock.main()
    assert broken.exists(), "a DVC is running"
    holder.communicate()
    unlock.main()
    assert not broken.exists()
    write(broken, "{}")
    unlock.main()
    assert broken.exists(), "an intact file is left alone"


@pytest.mark.parametrize("left", ["", "schema: '2.0'\nstages:\n  a@b:\n    cmd: x\n    deps:\n    - pa"])
def test_a_truncated_dvc_lock_is_taken_from_the_last_commit(
    left: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    lockfile = tmp_path / "dvc.lock"
    write(lockfile, left)
    unlock.main()
    assert not lockfile.exists(), "no commit has one"
    whole = "schema: '2.0'\nstages:\n  a@b:\n    cmd: x\n"
    write(lockfile, whole)
    for command in (["init", "-q"], ["add", "dvc.lock"], ["commit", "-qm", "A run"]):
        subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b.c", *command], check=True)
    unlock.main()
    assert lockfile.read_text() == whole
    write(lockfile, left)
    unlock.main()
    assert lockfile.read_text() == whole
    assert capsys.readouterr().out == (
        "removed dvc.lock, which a killed run had left truncated\n"
        "restored from the last commit: dvc.lock, which a killed run had left truncated\n"
    )
