"""The whole stage on many rows: seconds and largest memory of `python -m stages.split` in its own folder.

    python -m benchmarks.split.stage ROWS

The rows are those of support-tickets with texts of random words of its traffic, as long as its own. Every
hundredth text is another one without its last word. The embeddings are made up and in the cache, so nothing
is encoded. Prints seconds and bytes.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from benchmarks.dedupe.vectors import ENCODER, like_traffic
from promptstill.core.files import read_rows, write_rows
from promptstill.core.paths import PARAMS, out, pins_file
from promptstill.near.vectors import Vectors, embed
from promptstill.rows.row import DedupedRow, IngestedCase

TASK = "support-tickets"


@dataclass(frozen=True)
class Run:
    """What one run of the stage took; memory is its largest resident set, in bytes."""

    seconds: float
    memory: int


@dataclass(frozen=True)
class MadeUp:
    """An encoder that knows the vector of every text."""

    vectors: dict[str, Vectors]

    def encode(self, texts: Sequence[str], model: str) -> Iterator[dict[str, Vectors]]:
        """All of them at once."""
        yield {text: self.vectors[text] for text in texts}


def run_stage(count: int) -> Run:
    """Make a project with `count` rows and split it. Run from the root of a repository that is built."""
    root = Path.cwd()
    rows = read_rows(out("dedupe", TASK), DedupedRow, "dedupe")
    golden = read_rows(out("ingest", TASK, "golden"), IngestedCase, "ingest")
    inputs = made_up_texts([row["input"] for row in rows], count)
    texts = [*inputs, *(case["input"] for case in golden)]
    vectors = like_traffic(len(texts))
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            shutil.copytree(root / "expectations", "expectations")
            PARAMS.write_text(yaml.safe_dump(without_quotas(root / PARAMS)), encoding="utf-8")
            for stage in ("validate", "dedupe"):
                write_rows(out(stage, TASK), made_up_rows(rows, inputs))
            write_rows(out("ingest", TASK, "golden"), golden)
            write_rows(pins_file(TASK), [])
            os.environ["PROMPTSTILL_HOME"] = folder
            embed(texts, ENCODER, MadeUp(dict(zip(texts, vectors, strict=True))))
            return measured([sys.executable, "-m", "stages.split", TASK], root)
        finally:
            os.chdir(root)


def without_quotas(path: Path) -> dict[str, Any]:
    """The params without minimums, which made-up labels and slices need not meet."""
    params: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    split = params[TASK]["split"]
    split["label_minimum"] = dict.fromkeys(split["label_minimum"], 0)
    for hard in split["hard_slices"].values():
        hard["minimum"] = 0
    return params


def made_up_texts(texts: Sequence[str], count: int) -> list[str]:
    """Different texts of random words of the texts given."""
    chance = random.Random(0)
    words = [word for text in texts for word in text.split()]
    made: dict[str, None] = {}
    last = ""
    while len(made) < count:
        length = len(chance.choice(texts).split())
        text = " ".join(chance.choices(words, k=length + 3))
        last = last.rpartition(" ")[0] if len(made) % 100 == 99 else text
        made[last] = None
    return list(made)


def made_up_rows(rows: Sequence[DedupedRow], texts: Sequence[str]) -> Iterator[DedupedRow]:
    """A row for each text, with the fields of a real one, one to three rows of an account."""
    chance = random.Random(1)
    for i, text in enumerate(texts):
        name = f"row-{i:07}"
        changes: dict[str, Any] = {
            "id": name,
            "input": text,
            "timestamp": f"2026-01-{1 + i % 28:02}T00:00:{i % 60:02}Z",
            "account": f"a{chance.randrange(max(1, len(texts) // 2))}",
            "thread": None,
            "group": name,
            "repeats": [],
            "linked": [],
        }
        yield {**rows[i % len(rows)], **changes}  # type: ignore[typeddict-item]


def measured(command: list[str], root: Path) -> Run:
    """Run a command with the repository on its path. Raises an error if it fails."""
    started = time.perf_counter()
    running = subprocess.Popen(command, env=os.environ | {"PYTHONPATH": str(root)}, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(running.pid, 0)
    if status:
        raise RuntimeError(f"{command} ended with {status}")
    return Run(time.perf_counter() - started, usage.ru_maxrss * 1024)


if __name__ == "__main__":
    result = run_stage(int(sys.argv[1]))
    print(f"{result.seconds:.1f} {result.memory}")
