"""`python -m benchmarks.fuzz [--minutes M] [--only NAME ...]`: damaged input for every reader.

A reader may return its result or raise the error that a user sees as one line. Any other exception ends the
run and shows the smallest input that causes it. Writes the number of inputs by reader to results.json.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings

from benchmarks.fuzz.readers import READERS, Reader
from promptstill.console.errors import UserError, one_line
from tests.project import make_project

HERE = Path(__file__).parent
# Examples after which Hypothesis begins anew, with another seed.
EXAMPLES = 2_000


def fuzz(reader: Reader, seconds: float) -> Counter[str]:
    """Feed one reader until time is up. Returns how many inputs were accepted and how many refused."""
    outcomes: Counter[str] = Counter()
    end = time.monotonic() + seconds

    @settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(reader.inputs)
    def feed(content: Any) -> None:  # noqa: ANN401
        if time.monotonic() > end:
            return
        try:
            with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
                reader.read(content)
        except UserError as error:
            assert one_line(error).encode(), "the message can be printed"
            outcomes["refused"] += 1
        else:
            outcomes["accepted"] += 1

    while time.monotonic() < end:
        feed()
    return outcomes


def main() -> None:
    """Fuzz, print, write results.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10, help="per reader")
    parser.add_argument("--only", nargs="*", choices=sorted(READERS), default=sorted(READERS))
    arguments = parser.parse_args()
    results: dict[str, Any] = {"minutes_per_reader": arguments.minutes}
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        os.environ["PROMPTSTILL_HOME"] = str(Path(folder) / ".still")
        make_project(Path(folder), rows=6)
        for name in arguments.only:
            outcomes = fuzz(READERS[name], arguments.minutes * 60)
            results[name] = {"inputs": sum(outcomes.values()), **outcomes}
            print(f"{name}: {results[name]}", flush=True)
    (HERE / "results.json").write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
