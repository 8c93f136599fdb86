"""`python -m benchmarks.kills [--kills N] [--ways WAY ...]`: SIGKILL at random moments, print tables, write
results.json.

Three ways of generate: one process online, two processes on one journal, one process in batch mode. Each run
asks about some thousand rows. A fourth way is train. A run is killed and started again until it ends by
itself; runs follow one another until N kills have happened in each way. Ways that are not named keep their
results.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import random
import shutil
import tempfile
import time
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

from benchmarks.kills.training import measure_training
from benchmarks.kills.ways import IN_FLIGHT, ROWS, WAYS, Way, journaled, outs, project, round_of
from tests.teacher_server import TeacherServer, last_line

RESULTS = Path(__file__).parent / "results.json"
TRAIN = "train"
# A process is forked from one that has these.
PRELOADED = [
    *("stages.generate.__main__", "promptstill.teacher.online", "promptstill.teacher.batch"),
    *("stages.train.trainer", "stages.train.adapter", "stages.train.mixing"),
]
# Kills come within this share of the time that a run takes that is not killed.
SHARE_OF_A_RUN = 0.7


def measure(context: ForkServerContext, way: Way, wanted: int) -> dict[str, Any]:
    """Kill one way of running the stage until there were `wanted` kills."""
    pick = random.Random(0)
    counts: dict[str, Any] = dict.fromkeys(("kills", "runs", "calls", "sent_again"), 0)
    if not way.in_batches:
        counts["most_sent_again_by_a_kill"] = 0
    counts |= dict.fromkeys(("answers_lost", "answers_changed", "outs_that_differ"), 0)
    with TeacherServer() as teacher, tempfile.TemporaryDirectory() as folder:
        teacher.reply = lambda body: f"Final Answer: {len(last_line(body)) % 13}"
        root = Path(folder)
        project(root, teacher.url, way)
        expected: list[dict[str, Any]] = []
        longest: float | None = None
        while counts["kills"] < wanted or not expected:
            shutil.rmtree(root / ".still", ignore_errors=True)
            teacher.requests.clear()
            # The first run of ten is not killed. The others are killed within its time, which changes with
            # whatever else the machine does, and the very first has the outs that all must have.
            undisturbed = counts["runs"] % 10 == 0
            began = time.monotonic()
            run(context, root, way, teacher, pick, None if undisturbed else longest, counts)
            if undisturbed:
                longest = SHARE_OF_A_RUN * (time.monotonic() - began)
            counts["runs"] += 1
            counts["calls"] += len(teacher.requests)
            counts["sent_again"] += len(teacher.requests) - ROWS
            expected = expected or outs(root)
            counts["outs_that_differ"] += outs(root) != expected
            print(
                f"{way.name}: {counts['kills']} kills, {counts['runs']} runs, "
                f"{counts['sent_again']} sent again",
                flush=True,
            )
    return counts


def run(
    context: ForkServerContext,
    root: Path,
    way: Way,
    teacher: TeacherServer,
    pick: random.Random,
    longest: float | None,
    counts: dict[str, Any],
) -> None:
    """Kill and start again until a process comes to its end; count what was lost, changed and sent again."""
    before: dict[str, str] = {}
    ended = False
    while not ended:
        sent = len(teacher.requests)
        kills, ended = round_of(context, root, way, pick, longest)
        time.sleep(0.02)
        after = journaled(root)
        counts["kills"] += kills
        counts["answers_lost"] += len(before.keys() - after.keys())
        counts["answers_changed"] += sum(after[key] != before[key] for key in before.keys() & after.keys())
        if kills and not way.in_batches:
            again = len(teacher.requests) - sent - (len(after) - len(before))
            most = max(counts["most_sent_again_by_a_kill"], round(again / kills))
            counts["most_sent_again_by_a_kill"] = most
        before = after


def main() -> None:
    """Kill, compare, write results.json."""
    ways = {way.name: way for way in WAYS}
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=500, help="in each way")
    parser.add_argument("--ways", nargs="+", choices=[*ways, TRAIN], default=[*ways, TRAIN])
    arguments = parser.parse_args()
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    results: dict[str, Any] = json.loads(RESULTS.read_text(encoding="utf-8"))
    results |= {"rows_a_run": ROWS, "in_flight": IN_FLIGHT}
    for name in arguments.ways:
        results[name] = (
            measure_training(context, arguments.kills)
            if name == TRAIN
            else measure(context, ways[name], arguments.kills)
        )
    RESULTS.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
