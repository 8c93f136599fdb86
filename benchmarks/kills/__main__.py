"""`python -m benchmarks.kills [--kills N]`: SIGKILL at random moments, print a table, write results.json.

Each run asks about some thousand rows and is killed and started again until it ends by itself; runs follow
one another until N kills have happened.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import random
import shutil
import sqlite3
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.generate.project import TASK, make_project
from benchmarks.kills.stage import run_stage
from promptstill.core.files import read_lines
from tests.teacher_server import TeacherServer, last_line

HERE = Path(__file__).parent
ROWS, IN_FLIGHT = 3_000, 64
# Seconds until the kill, at most; a run of 3,000 rows takes about two.
LONGEST = 1.0


def outs(root: Path) -> list[dict[str, Any]]:
    """The rows that generate wrote, without the times at which their answers were recorded."""
    rows = [row for _, row in read_lines(root / f"data/generate/{TASK}/rows.jsonl")]
    for row in rows:
        del row["teacher"]["recorded_at"]
    return rows


def journaled(root: Path) -> dict[str, str]:
    """Every record in the journal, as a reader beside the run sees it."""
    path = root / ".still/journal.sqlite"
    if not path.exists():
        return {}
    database = sqlite3.connect(path)
    try:
        return dict(database.execute("SELECT key, record FROM answers"))
    except sqlite3.OperationalError:
        # Killed before the tables were made.
        return {}
    finally:
        database.close()


def main() -> None:
    """Kill, compare, write results.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=500)
    wanted = parser.parse_args().kills
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["stages.generate.__main__", "promptstill.teacher.online"])
    pick = random.Random(0)
    counts = {"kills": 0, "runs": 0, "rows_a_run": ROWS, "in_flight": IN_FLIGHT, "calls": 0, "sent_again": 0}
    counts |= {"most_sent_again_by_a_kill": 0, "answers_lost": 0, "answers_changed": 0, "outs_that_differ": 0}
    with TeacherServer() as teacher, tempfile.TemporaryDirectory() as folder:
        teacher.reply = lambda body: f"Final Answer: {len(last_line(body)) % 13}"
        root = Path(folder)
        make_project(root, teacher.url, ROWS, IN_FLIGHT)
        expected: list[dict[str, Any]] = []
        while counts["kills"] < wanted or not expected:
            shutil.rmtree(root / ".still", ignore_errors=True)
            teacher.requests.clear()
            before: dict[str, str] = {}
            while True:
                running = context.Process(target=run_stage, args=(str(root),))
                sent = len(teacher.requests)
                running.start()
                # The first run is not killed: the others are compared with it.
                running.join(pick.uniform(0, LONGEST) if expected else None)
                ended = running.exitcode is not None
                running.kill()
                running.join()
                assert not ended or running.exitcode == 0
                time.sleep(0.02)
                after = journaled(root)
                counts["answers_lost"] += len(before.keys() - after.keys())
                counts["answers_changed"] += sum(
                    after[key] != before[key] for key in before.keys() & after.keys()
                )
                again = len(teacher.requests) - sent - (len(after) - len(before))
                counts["most_sent_again_by_a_kill"] = max(counts["most_sent_again_by_a_kill"], again)
                before = after
                if ended:
                    break
                counts["kills"] += 1
            counts["runs"] += 1
            counts["calls"] += len(teacher.requests)
            counts["sent_again"] += len(teacher.requests) - ROWS
            expected = expected or outs(root)
            counts["outs_that_differ"] += outs(root) != expected
            print(
                f"{counts['kills']} kills, {counts['runs']} runs, {counts['sent_again']} sent again",
                flush=True,
            )
    (HERE / "results.json").write_text(json.dumps(counts, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(counts, indent=2))


if __name__ == "__main__":
    main()
