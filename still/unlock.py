"""Mend the two files of DVC that a killed run can leave truncated, unless a DVC process is running.

DVC releases the locks of dead processes by itself, but it writes `.dvc/tmp/rwlock` and `dvc.lock` in place,
and a run that is killed in that moment leaves a file that no later run can read.
"""

from __future__ import annotations

import fcntl
import json
import subprocess
from pathlib import Path

import yaml
from dvc.schema import COMPILED_LOCKFILE_SCHEMA
from voluptuous import Invalid

TMP = Path(".dvc/tmp")
LOCKFILE = Path("dvc.lock")


def main() -> None:
    """Remove an unreadable `.dvc/tmp/rwlock` and take an unreadable `dvc.lock` from the last commit.

    Stages that ran since that commit are found in DVC's run cache, so none runs again. Nothing is changed
    while a running DVC holds the repository's lock.
    """
    rwlock = TMP / "rwlock"
    if _rwlock_readable(rwlock) and _lockfile_readable(LOCKFILE):
        return
    TMP.mkdir(parents=True, exist_ok=True)
    with (TMP / "lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        if not _rwlock_readable(rwlock):
            rwlock.unlink(missing_ok=True)
            print(f"removed {rwlock}, which a killed run had left truncated")
        if not _lockfile_readable(LOCKFILE):
            print(f"{_restore(LOCKFILE)} {LOCKFILE}, which a killed run had left truncated")


def _rwlock_readable(path: Path) -> bool:
    try:
        json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return True
    except ValueError:
        return False
    return True


def _lockfile_readable(path: Path) -> bool:
    try:
        COMPILED_LOCKFILE_SCHEMA(yaml.safe_load(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return True
    except (UnicodeDecodeError, yaml.YAMLError, Invalid):
        return False
    return True


def _restore(path: Path) -> str:
    """What was done: `path` is as in the last commit, or gone if no commit has it."""
    committed = subprocess.run(["git", "show", f"HEAD:./{path}"], capture_output=True, check=False)
    if committed.returncode:
        path.unlink()
        return "removed"
    path.write_bytes(committed.stdout)
    return "restored from the last commit:"


if __name__ == "__main__":
    main()
