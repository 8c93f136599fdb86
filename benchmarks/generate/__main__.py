"""`python -m benchmarks.generate [--peer PYTHON]`: measure, print tables, write results.json beside this.

PYTHON is an interpreter that has bespokelabs-curator; without it the peer is left out.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.generate.project import TASK, fill_journal, make_project
from benchmarks.table import print_figures, print_table

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
TURNS = 3
REQUESTS = 20_000
# The plain loop and the peer are slow; they get fewer requests, ten for each connection at 1,024 in flight.
FEWER = 10_000
REPLAYED = 100_000
SMALL, LARGE = 10_000, 300_000


@contextmanager
def serving() -> Iterator[str]:
    """The instant server in a process of its own."""
    server = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.generate.server"], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    try:
        assert server.stdout is not None
        yield f"http://127.0.0.1:{int(server.stdout.readline())}/v1"
    finally:
        server.kill()
        server.wait()


def measure(command: list[str], cwd: Path = ROOT) -> dict[str, float]:
    """Run a measurement and read what it prints last."""
    ended = subprocess.run(
        command,
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr[-2000:]
    figures: dict[str, float] = json.loads(ended.stdout.strip().splitlines()[-1])
    return figures


def client(what: str, url: str, count: int, in_flight: int) -> dict[str, float]:
    """Requests a second, CPU milliseconds a request and memory of one run of client.py."""
    return _rates(
        measure([sys.executable, "-m", "benchmarks.generate.client", what, url, str(count), str(in_flight)]),
        count,
    )


def peer(python: str, url: str, count: int, in_flight: int) -> dict[str, float]:
    """The same figures of bespokelabs-curator."""
    with tempfile.TemporaryDirectory() as folder:
        command = [python, str(HERE / "peer.py"), url, str(count), str(in_flight)]
        return _rates(measure(command, Path(folder)), count)


def _rates(figures: dict[str, float], count: int) -> dict[str, float]:
    return {
        "rows_per_second": count / figures["seconds"],
        "cpu_ms_per_request": 1000 * figures["cpu_seconds"] / count,
        "memory_mb": figures["memory_mb"],
    }


def in_turns(python: str | None, url: str) -> dict[str, dict[str, float]]:
    """Every measurement `TURNS` times, in turns; medians."""
    plan = {f"stage {n}": ("journal", REQUESTS, n) for n in (64, 512, 1024, 4096)}
    plan |= {
        "stage 1024, journal off": ("no-journal", REQUESTS, 1024),
        "stage 1024, capped": ("budget", REQUESTS, 1024),
    }
    plan |= {f"plain loop {n}": ("plain", FEWER, n) for n in (64, 512, 1024)}
    runs: dict[str, list[dict[str, float]]] = {}
    for _ in range(TURNS):
        for name, (what, count, in_flight) in plan.items():
            runs.setdefault(name, []).append(client(what, url, count, in_flight))
        if python is not None:
            runs.setdefault("curator 1024", []).append(peer(python, url, FEWER, 1024))
    return {
        name: {key: statistics.median(run[key] for run in turns) for key in turns[0]}
        for name, turns in runs.items()
    }


def stage(count: int, url: str, known: bool) -> dict[str, float]:
    """The whole stage over `count` rows, all answers known or none: seconds and largest memory in MB."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        make_project(root, url, count, in_flight=512)
        if known:
            fill_journal(root, url, count, in_flight=512)
        script = (
            "import json, time\nfrom benchmarks.generate.client import largest_memory\n"
            "from stages.generate.__main__ import main\n"
            f"started = time.perf_counter()\nmain({TASK!r})\n"
            "seconds = time.perf_counter() - started\n"
            "print(json.dumps({'seconds': seconds, 'memory_mb': largest_memory()}))\n"
        )
        return measure([sys.executable, "-c", script], root)


def main() -> None:
    """Measure everything and write results.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer", metavar="PYTHON", help="an interpreter that has bespokelabs-curator")
    python = parser.parse_args().peer
    with serving() as url:
        measured = in_turns(python, url)
        replay = stage(REPLAYED, url, known=True)
        small, large = stage(SMALL, url, known=False), stage(LARGE, url, known=False)
    ratio = {
        "rows_per_second_vs_plain_1024": _ratio(measured, "rows_per_second", "stage 1024", "plain loop 1024"),
        "cpu_per_request_4096_vs_64": _ratio(measured, "cpu_ms_per_request", "stage 4096", "stage 64"),
        "journal_on_vs_off": _ratio(measured, "rows_per_second", "stage 1024", "stage 1024, journal off"),
        "capped_vs_not": _ratio(measured, "rows_per_second", "stage 1024, capped", "stage 1024"),
        "replay_100k_seconds": replay["seconds"],
        "replay_100k_memory_mb": replay["memory_mb"],
        "memory_mb_10k_rows": small["memory_mb"],
        "memory_mb_300k_rows": large["memory_mb"],
        "seconds_300k_rows": large["seconds"],
    }
    if python is not None:
        ratio["rows_per_second_vs_curator_1024"] = _ratio(
            measured, "rows_per_second", "stage 1024", "curator 1024"
        )
    show(measured, ratio)
    results: dict[str, Any] = {**{k: round(v, 3) for k, v in ratio.items()}, "cores": os.cpu_count()}
    results["measured"] = {
        name: {k: round(v, 3) for k, v in figures.items()} for name, figures in measured.items()
    }
    (HERE / "results.json").write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


def _ratio(measured: dict[str, dict[str, float]], key: str, name: str, other: str) -> float:
    return measured[name][key] / measured[other][key]


def show(measured: dict[str, dict[str, float]], ratio: dict[str, float]) -> None:
    """Print two tables."""
    columns = ("what, requests in flight", "rows/s", "client CPU ms a request", "memory MB")
    digits = (0, 3, 0)
    lines = (
        (name, *(f"{value:.{places}f}" for value, places in zip(figures.values(), digits, strict=True)))
        for name, figures in measured.items()
    )
    print_table(columns, lines)
    print_figures(ratio, 3)


if __name__ == "__main__":
    main()
