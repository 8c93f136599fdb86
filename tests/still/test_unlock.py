"""`python -m still.unlock`: a lock file that a killed run has left truncated."""

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
