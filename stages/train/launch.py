"""A stage in several processes of this machine."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from tempfile import TemporaryFile

# Exit status of a process that ends because another one has failed. That one has the error.
LEFT_ALONE = 75
# Seconds between two polls, and seconds to wait for the other processes after one has failed.
POLL, GRACE = 0.2, 5.0


def launch(module: str, task: str, processes: int) -> None:
    """Run a stage in several processes of this machine. The first one prints; of another one, only the error
    is shown.

    If one fails, the others are ended, and this process exits with the same status.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    shared = os.environ | {
        "WORLD_SIZE": str(processes),
        "LOCAL_WORLD_SIZE": str(processes),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": port,
    }
    command = [sys.executable, "-m", module, task]
    with ExitStack() as stack:
        errors = [stack.enter_context(TemporaryFile()) for _ in range(1, processes)]
        started = [subprocess.Popen(command, env=shared | _numbered(0))]
        stack.callback(_end, started)
        for number, kept in enumerate(errors, start=1):
            environment = shared | _numbered(number)
            started.append(subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=kept))
        while any(process.poll() is None for process in started) and not _failed(started):
            time.sleep(POLL)
        if not _failed(started):
            return
        # The others end soon after, by themselves or with the same error.
        until = time.monotonic() + GRACE
        while any(process.poll() is None for process in started) and time.monotonic() < until:
            time.sleep(POLL)
        failed = _failed(started)
        first = min(failed, key=lambda number: (failed[number] == LEFT_ALONE, number))
        if first:
            errors[first - 1].seek(0)
            sys.stderr.write(errors[first - 1].read().decode(errors="replace"))
        # As a shell reports a process that a signal has ended.
        raise SystemExit(failed[first] if failed[first] > 0 else 128 - failed[first])


def _numbered(number: int) -> dict[str, str]:
    return {"RANK": str(number), "LOCAL_RANK": str(number)}


def _failed(started: Sequence[subprocess.Popen[bytes]]) -> dict[int, int]:
    """The statuses of the processes that have failed, by their numbers."""
    return {number: process.returncode for number, process in enumerate(started) if process.poll()}


def _end(started: Sequence[subprocess.Popen[bytes]]) -> None:
    for process in started:
        process.kill()
        process.wait()
