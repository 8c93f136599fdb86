"""Locks between processes of one machine. The operating system ends a lock with the process that holds it."""

from __future__ import annotations

import fcntl
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from promptstill.console.errors import UserError


@contextmanager
def locked(path: Path, busy: str, wait: bool = True) -> Iterator[bool]:
    """Hold an exclusive lock on a file, and yield whether another process had it before.

    `busy` is printed before a wait; `{pid}` in it is the process that holds the lock. Without `wait`, it is
    the message of a UserError. The file stays: removing it while others wait for it would make two locks.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+", encoding="ascii") as handle:
        waited = False
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            handle.seek(0)
            message = busy.replace("{pid}", handle.read() or "?")
            if not wait:
                raise UserError(message) from None
            print(message, file=sys.stderr, flush=True)
            fcntl.flock(handle, fcntl.LOCK_EX)
            waited = True
        handle.truncate(0)
        handle.write(str(os.getpid()))
        handle.flush()
        yield waited
