"""The page of `still review` on a queue of 100,000 rows, 10,000 of them decided, beside an empty response of
Starlette.

    python -m benchmarks.review

`next_row_p95_ms` is the 95th percentile of a request for the next row, `decide_p95_ms` that of a decision,
which is appended, flushed to disk and answered with the next row. Both are divided by the same percentile of
an empty response from a server of the same kind, asked in turn with them by one client. `start_s` is the time
of the first start, which makes the index.
"""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import requests

from benchmarks.table import print_figures
from promptstill.core.files import compact_json, iter_rows, write_json, write_rows
from promptstill.rows.identity import input_hash
from promptstill.rows.row import TrafficRow

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
TASK = "support-tickets"
ROWS, DECIDED, REQUESTS = 100_000, 10_000, 500
LABELS = ("billing", "account", "technical", "other")


def main() -> None:
    """Measure, print a table and write `results.json`."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_project(folder)
        started = time.perf_counter()
        page = ["still.cli", "review", TASK]
        empty = ["uvicorn", "benchmarks.review.empty:app", "--log-level", "warning"]
        with served(page, folder) as address, served(empty, ROOT) as other:
            requests.get(address).raise_for_status()
            start = time.perf_counter() - started
            times = measured(address, other)
    p95 = {kind: float(np.quantile(values, 0.95)) * 1000 for kind, values in times.items()}
    figures = {
        "rows": ROWS,
        "decided": DECIDED,
        "start_s": start,
        **{f"{kind}_p95_ms": value for kind, value in p95.items()},
        **{f"{kind}_vs_empty": p95[kind] / p95["empty"] for kind in ("next_row", "decide")},
    }
    figures = {kind: round(value, 2) for kind, value in figures.items()}
    print_figures(figures, 2)
    write_json(HERE / "results.json", figures)


def make_project(folder: Path) -> None:
    """A project with a queue of shipped texts, each made different by a number."""
    for path in (f"expectations/{TASK}", f"prompts/{TASK}"):
        shutil.copytree(ROOT / path, folder / path)
    for path in ("params.yaml", "dvc.yaml"):
        shutil.copyfile(ROOT / path, folder / path)
    texts = [row["input"] for row in iter_rows(ROOT / f"data/traffic/{TASK}.jsonl", TrafficRow, "import")]

    def rows(first: int) -> Iterator[dict[str, Any]]:
        return (entry(i, f"{texts[i % len(texts)]} ({i})") for i in range(first, ROWS))

    write_rows(folder / f"data/review/{TASK}/queue.jsonl", rows(0))
    write_rows(folder / f"data/reviews/{TASK}.jsonl", map(decision, rows(ROWS - DECIDED)))


def entry(number: int, text: str) -> dict[str, Any]:
    """A row of the queue whose samples disagree, with a similar row."""
    label, other = LABELS[number % 4], LABELS[(number + 1) % 4]
    answer = {"category": label, "confidence": 0.7, "escalation_reason": None}
    return {
        "id": f"row-{number:06}",
        "input_hash": input_hash(text),
        "reasons": ["samples_disagree", "low_confidence"],
        "risk": 0.5,
        "problem": ["samples_disagree", label],
        "input": text,
        "source": "email",
        "slices": ["short"] if number % 3 else ["long", "shouting"],
        "status": "review",
        "label": label,
        "answer": answer,
        "teacher_answer": answer,
        "samples": [
            {"response": compact_json({**answer, "category": of}), "finish_reason": "stop"}
            for of in (label, other)
        ],
        "similar": [
            {
                "id": f"row-{number + 1:06}",
                "input_hash": input_hash(text + "."),
                "input": text[:300],
                "answer": compact_json(answer),
                "similarity": 0.8,
                "conflict": False,
            }
        ],
    }


def decision(row: dict[str, Any]) -> dict[str, Any]:
    """The line of a row that somebody has approved."""
    return {
        **{name: row[name] for name in ("input_hash", "id", "answer", "teacher_answer", "reasons", "status")},
        "decision": "accept",
        "reviewer": "Bo",
        "at": "2026-04-01T00:00:00.000Z",
    }


@contextmanager
def served(module: list[str], folder: Path) -> Iterator[str]:
    """The address of a server in a process of its own: a module that takes a port, and its arguments."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", *module, "--port", str(port)]
    running = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL)
    try:
        while not listens(port):
            if running.poll() is not None:
                raise SystemExit(f"{' '.join(module)}: ended with {running.returncode}")
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        running.terminate()
        running.wait()


def listens(port: int) -> bool:
    """Whether a server answers at a port."""
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


def measured(address: str, empty: str) -> dict[str, list[float]]:
    """Seconds of each request, by its kind, in turn."""
    client = requests.Session()
    client.headers["Origin"] = address
    client.post(f"{address}/name", data={"name": "Ada"})
    times: dict[str, list[float]] = {"empty": [], "next_row": [], "decide": []}

    def timed(kind: str, method: str, url: str, **given: Any) -> str:  # noqa: ANN401
        begun = time.perf_counter()
        answer = client.request(method, url, **given)
        times[kind].append(time.perf_counter() - begun)
        answer.raise_for_status()
        return answer.text

    for number in range(REQUESTS):
        timed("empty", "GET", f"{empty}/")
        page = timed("next_row", "GET", f"{address}/row", params={"after": str(number * 7)})
        fields = dict(re.findall(r'name="(hash|seen|after|shown)" value="(.*?)"', page))
        timed("decide", "POST", f"{address}/decide", data={**fields, "act": "accept"})
    return times


if __name__ == "__main__":
    main()
