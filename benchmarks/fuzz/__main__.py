"""`python -m benchmarks.fuzz [--minutes M] [--processes N] [--only NAME ...]`: every reader is fed.

A reader may return its result or raise the error that a user sees as one line. Any other exception is a
failure: the run shows the smallest input that causes it, feeds the other readers, and exits with 1. Writes
what each reader did to results.json when all have ended.
"""

from __future__ import annotations

import argparse
import sys
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from benchmarks.fuzz.feed import in_own_process
from benchmarks.fuzz.readers import READERS
from promptstill.core.files import write_json

HERE = Path(__file__).parent


def main() -> None:
    """Fuzz, print, write results.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10, help="per reader")
    parser.add_argument("--processes", type=int, default=1, help="readers that are fed at once")
    parser.add_argument("--only", nargs="*", choices=sorted(READERS), default=sorted(READERS))
    arguments = parser.parse_args()
    rows: dict[str, Any] = {}
    failures: dict[str, str] = {}
    with ThreadPoolExecutor(arguments.processes) as pool:
        futures = {pool.submit(in_own_process, n, arguments.minutes * 60): n for n in arguments.only}
        for future in as_completed(futures):
            name = futures[future]
            rows[name], failure = future.result()
            if failure:
                failures[name] = failure
            print(f"{name}: {rows[name]}", flush=True)
    write_json(HERE / "results.json", {"minutes_per_reader": arguments.minutes} | dict(sorted(rows.items())))
    for name, failure in failures.items():
        print(f"\n{name} failed:\n{failure}", file=sys.stderr)
    if failures:
        sys.exit(f"failed: {', '.join(failures)}")


if __name__ == "__main__":
    main()
