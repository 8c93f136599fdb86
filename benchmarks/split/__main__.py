"""How long the split of many rows takes, beside scikit-learn's StratifiedGroupKFold, and how even both are.

    python -m benchmarks.split

The rows are made up: on average three per user, some of them in threads, every twentieth near another row,
and ten labels of very different sizes. The time covers everything from rows and near pairs to the three
lists: links, components, the check for a giant component, placing and quotas. benchmarks.dedupe measures how
long finding the near pairs takes. The whole stage, from file to file, runs on two smaller numbers of rows,
and the difference gives its memory for each row.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import ParamSpec, TypeVar, cast

import numpy as np

from benchmarks.generate.client import largest_memory
from benchmarks.table import print_figures
from promptstill.near.pairs import Pair
from promptstill.rows.row import RatedRow, SplitName
from stages.split.assign import Parts, assign
from stages.split.links import Links, check_giant, components, links_of
from stages.split.params import SplitParams
from stages.split.quota import SPLITS
from stages.split.shortfall import shortfall

P = ParamSpec("P")
R = TypeVar("R")

HERE = Path(__file__).parent
LARGE, SMALL = 1_000_000, 30_000
WHOLE_STAGE = (20_000, 60_000)
TEST, VALIDATION = 0.1, 0.05
NEAR = {"meaning": 0.75, "text": 0.35}
PARAMS = SplitParams.check(
    {
        "encoder": "none",
        "seed": 0,
        "test": TEST,
        "validation": VALIDATION,
        "link": NEAR,
        "largest_component": 0.2,
        "quarantine": NEAR | {"text_alone": 0.6},
        "label_minimum": {"train": 1, "validation": 1, "test": 1},
        "hard_slices": {"short": {"fraction": 0.2, "minimum": 1}},
    },
    "benchmark",
)


def traffic(count: int) -> tuple[list[RatedRow], list[Pair]]:
    """Made-up rows, with the fields that the split reads, and near pairs."""
    random = np.random.default_rng(0)
    accounts = random.integers(count // 3, size=count).tolist()
    threads = np.where(random.random(count) < 0.2, random.integers(count, size=count), -1).tolist()
    labels = np.minimum(random.geometric(0.35, size=count), 10).tolist()
    short = (random.random(count) < 0.1).tolist()
    rows = [
        {
            "id": f"row-{i:07}",
            "source": None,
            "timestamp": f"2026-01-01T00:00:00.{i:07}Z",
            "account": f"a{accounts[i]}",
            "thread": None if threads[i] < 0 else f"t{threads[i]}",
            "document": None,
            "translation_group": None,
            "repeats": [],
            "linked": [],
            "label": f"label {labels[i]}",
            "hard": ["short"] if short[i] else [],
        }
        for i in range(count)
    ]
    ends = random.integers(count, size=(count // 20, 2)).tolist()
    return cast(list[RatedRow], rows), [Pair(min(a, b), max(a, b), 0.9, 0.5) for a, b in ends if a != b]


def ours(rows: list[RatedRow], near: list[Pair]) -> tuple[Parts, Links]:
    """The stage's split."""
    links = links_of(rows, near)
    check_giant(len(rows), links, PARAMS.largest_component, "benchmark")
    parts = assign(rows, links, PARAMS).parts
    assert not shortfall(parts, PARAMS, sorted({row["label"] for row in rows}))
    return parts, links


def theirs(rows: list[RatedRow], links: Links) -> dict[SplitName, list[RatedRow]]:
    """scikit-learn's split of the same components. One fold of as many as give its share is test."""
    from sklearn.model_selection import StratifiedGroupKFold

    group = np.empty(len(rows), dtype=np.int64)
    for name, members in enumerate(components(len(rows), links)):
        group[members] = name
    folds = StratifiedGroupKFold(round(1 / TEST), shuffle=True, random_state=0)
    train, test = next(folds.split(rows, [row["label"] for row in rows], group))
    return {"train": [rows[i] for i in train], "test": [rows[i] for i in test]}


def unevenness(parts: Mapping[SplitName, Sequence[RatedRow]], share: float) -> float:
    """The largest distance of a label's share of test from the requested share.

    Rows in the hard slice do not count, because their share is another.
    """
    test = Counter(row["label"] for row in parts["test"] if not row["hard"])
    every = Counter(row["label"] for part in parts.values() for row in part if not row["hard"])
    return max(abs(test[label] / count - share) for label, count in every.items())


def timed(split: Callable[P, R], *arguments: P.args, **options: P.kwargs) -> tuple[float, R]:
    """Seconds and result."""
    started = time.perf_counter()
    result = split(*arguments, **options)
    return time.perf_counter() - started, result


def whole_stage() -> dict[str, float]:
    """Seconds and largest memory of the stage for both numbers of rows, and bytes for each further row."""
    few, many = WHOLE_STAGE
    seconds, memory = {}, {}
    for count in WHOLE_STAGE:
        command = [sys.executable, "-m", "benchmarks.split.stage", str(count)]
        printed = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        seconds[count], memory[count] = map(float, printed.splitlines()[-1].split())
    return {
        f"stage_seconds_{few // 1000}k": seconds[few],
        f"stage_seconds_{many // 1000}k": seconds[many],
        f"stage_memory_mb_{few // 1000}k": memory[few] / 1e6,
        f"stage_memory_mb_{many // 1000}k": memory[many] / 1e6,
        "stage_memory_bytes_a_row": (memory[many] - memory[few]) / (many - few),
    }


def main() -> None:
    """Measure and write results.json."""
    rows, near = traffic(SMALL)
    seconds, (parts, links) = timed(ours, rows, near)
    peer_seconds, peer_parts = timed(theirs, rows, links)
    results: dict[str, float] = {
        "speedup_vs_stratified_group_kfold_30k": peer_seconds / seconds,
        "unevenness_30k": unevenness(parts, TEST),
        "stratified_group_kfold_unevenness_30k": unevenness(peer_parts, TEST),
    }
    rows, near = traffic(LARGE)
    seconds, (parts, links) = timed(ours, rows, near)
    homes = {row["component"]: name for name in SPLITS for row in parts[name]}
    spanning = sum(homes[row["component"]] != name for name in SPLITS for row in parts[name])
    results |= {
        "seconds_1m": seconds,
        "components_1m": len(homes),
        "rows_apart_from_their_component_1m": spanning,
        "unevenness_1m": unevenness(parts, TEST),
        "memory_mb_1m": largest_memory(),
    }
    results |= whole_stage()
    print_figures(results, 4)
    rounded = {name: round(value, 4) for name, value in results.items()} | {"cores": os.cpu_count()}
    (HERE / "results.json").write_text(json.dumps(rounded, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
