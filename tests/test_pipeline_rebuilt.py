"""Building anew what was built, with kills in between, gives the same bytes."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.pipeline import STAGES, dvc, environment, lock
from tests.project import REPOSITORY

TARGETS = ("review@colour-json", "report@colour-json")


def test_a_killed_run_builds_the_same_bytes_from_nothing(clone: Path) -> None:
    before = lock(clone)
    made = (f"data/{stage}" for stage in STAGES if stage != "report")
    for path in (".dvc/cache", "models", "reports", *made):
        shutil.rmtree(clone / path)
    (clone / "dvc.lock").unlink()
    delays = random.Random(5)
    for whole_group in (True, False, True):
        running = subprocess.Popen(
            [sys.executable, "-m", "dvc", "repro", *TARGETS],
            cwd=clone,
            env=environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        time.sleep(delays.uniform(2, 12))
        if whole_group:
            os.killpg(running.pid, signal.SIGKILL)
        else:
            running.kill()
        running.wait()
    unlock = [sys.executable, "-m", "still.unlock"]
    subprocess.run(unlock, cwd=clone, env=environment() | {"PYTHONPATH": str(REPOSITORY)}, check=True)
    ended = dvc(clone, "repro", *TARGETS)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    after = lock(clone)
    assert set(after) == {f"{stage}@colour-json" for stage in STAGES}
    assert after == {name: before[name] for name in after}
