"""Remove a lock file of DVC that a killed run has left truncated, unless a DVC process is running.

DVC releases the locks of dead processes by itself, but it cannot read a `rwlock` file that was truncated
while it was written.
"""

from __future__ import annotations

import fcntl
import json
from pathlib import Path

TMP = Path(".dvc/tmp")


def main() -> None:
    """Remove an unreadable `.dvc/tmp/rwlock`, unless a running DVC holds the repository's lock."""
    broken = TMP / "rwlock"
    if not broken.exists() or _readable(broken):
        return
    with (TMP / "lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        broken.unlink(missing_ok=True)
        print(f"removed {broken}, which a killed run had left truncated")


def _readable(path: Path) -> bool:
    try:
        json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return False
    return True


if __name__ == "__main__":
    main()
