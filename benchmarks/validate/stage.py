"""The stage in a process of its own: a folder and a number of rows in, seconds and megabytes out.

python -m benchmarks.validate.stage FOLDER ROWS
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
import time
from pathlib import Path

from benchmarks.generate.client import largest_memory
from benchmarks.validate.rows import TASK
from stages.validate.__main__ import main

if __name__ == "__main__":
    os.chdir(Path(sys.argv[1]))
    started = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()):
        main(TASK)
    print(json.dumps({"seconds": time.perf_counter() - started, "memory_mb": largest_memory()}))
