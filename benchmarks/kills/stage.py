"""The stage as a process that is made to be killed."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from benchmarks.generate.project import TASK


def run_stage(root: str) -> None:
    """Run generate in `root`, silently."""
    os.chdir(root)
    sys.stdout = sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115
    from stages.generate.__main__ import main

    main(TASK)
