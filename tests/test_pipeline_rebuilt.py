"""Building anew what was built, undisturbed and with kills, gives the same bytes."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.pipeline import STAGES, dvc, environment, lock, stages_run
from tests.project import REPOSITORY


def test_the_same_inputs_give_the_same_bytes(clone: Path) -> None:
    before = lock(clone)
    shutil.rmtree(clone / ".dvc/cache/runs")
    ended = dvc(clone, "repro", "--force", "report@colour-json")
    assert ended.returncode == 0, ended.stderr
    assert stages_run(ended) == [f"{stage}@colour-json" for stage in STAGES]
    assert lock(clone) == before


def test_a_killed_run_continues_to_the_same_hashes(clone: Path) -> None:
    before = lock(clone)
    made = (f"data/{stage}" for stage in STAGES if stage != "report")
    for path in (".dvc/cache", "models", "reports", *made):
        shutil.rmtree(clone / path)
    (clone / "dvc.lock").unlink()
    delays = random.Random(5)
    for whole_group in (True, False, True):
        running = subprocess.Popen(
            [sys.executable, "-m", "dvc", "repro", "report@colour"],
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
    ended = dvc(clone, "repro", "report@colour")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert _of_colour(lock(clone)) == _of_colour(before)


def _of_colour(outs: dict[str, dict[str, str]]) -> dict[str, dict[str, str]]:
    return {name: hashes for name, hashes in outs.items() if name.endswith("@colour")}
