"""The filters of a million rows beside hand-written pandas masks, and the memory of the whole stage.

    python -m benchmarks.validate

`suite_vs_masks_1m` is the time that the stage's filters take over a million rows, in blocks as in the stage,
divided by the time of hand-written masks over the whole table, both in processor seconds. The suite is the
shipped one of support-tickets with an expectation about the source: ten in all. Both must find the same rows.
`report_vs_masks_1m` is the same for Great Expectations' own full report. `peak_memory_1m_vs_100k` divides the
largest memory of the stage with a million rows by that with a hundred thousand.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.table import print_figures
from benchmarks.validate.rows import TASK, make_project, table
from promptstill.answers.spec import AnswerSpec
from stages.validate.checks import AllRows, Checks
from stages.validate.judge import BLOCK
from stages.validate.suite import Suite, read_suite

HERE = Path(__file__).parent
LARGE, SMALL = 1_000_000, 100_000
TURNS = 3
SOURCES = {
    "type": "expect_column_values_to_be_in_set",
    "kwargs": {"column": "source", "value_set": ["email"]},
    "meta": {"reason": "source_not_wanted", "action": "reject"},
}

Failing = NDArray[np.bool_]


def suite_of_ten(folder: Path) -> Suite:
    """The shipped suite and one more expectation."""
    content = json.loads((HERE.parents[1] / "expectations" / TASK / "suite.json").read_text(encoding="utf-8"))
    content["expectations"].insert(0, SOURCES)
    path = folder / "suite.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    suite = read_suite(path, AnswerSpec.load(TASK))
    assert len(suite.filters) == 10
    return suite


def by_suite(checks: Checks, rows: pd.DataFrame) -> Failing:
    """What the stage does with a table, block by block."""
    single = [item for item in checks.filters if not item.needs_all_rows]
    whole = AllRows([item for item in checks.filters if item.needs_all_rows])
    parts = []
    for start in range(0, len(rows), BLOCK):
        block = rows.iloc[start : start + BLOCK].reset_index(drop=True)
        parts.append(checks.failing(block, single))
        whole.add(block)
    checks.require(whole.table(), whole.filters)
    return np.concatenate(parts, axis=1)


def by_masks(content: dict[str, Any], rows: pd.DataFrame) -> Failing:
    """What a person would write by hand for the same suite."""
    labels, pattern = (content["expectations"][i]["kwargs"] for i in (2, 5))
    masks = [
        ~rows["source"].isin(["email"]) & rows["source"].notna(),
        rows["problem"].notna(),
        ~rows["label"].isin(labels["value_set"]) & rows["label"].notna(),
        (rows["input_chars"] < 1) | (rows["input_chars"] > 4000),
        (rows["answer_chars"] < 60) | (rows["answer_chars"] > 120),
        rows["reply"].str.contains(pattern["regex"]) & rows["reply"].notna(),
        rows["agreement"] <= 0.5,
        rows["valid_samples"] < 2,
        rows["confidence"] < 0.5,
    ]
    assert len(rows) >= 1
    return np.array([mask.to_numpy(dtype=bool) for mask in masks])


def by_report(content: dict[str, Any], rows: pd.DataFrame) -> Failing:
    """Great Expectations' full report of the whole table."""
    import great_expectations as gx

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = gx.data_context.types.base.ProgressBarsConfig(globally=False)
    source = context.data_sources.add_pandas("rows").add_dataframe_asset("rows")
    batch = source.add_batch_definition_whole_dataframe("rows").get_batch({"dataframe": rows})
    outcome = batch.validate(
        gx.ExpectationSuite(**content),
        result_format={"result_format": "COMPLETE", "return_unexpected_index_query": False},
    )
    results = outcome.results[:-1]
    failing = np.zeros((len(results), len(rows)), dtype=bool)
    for number, result in enumerate(results):
        failing[number, result.result.get("unexpected_index_list") or []] = True
    return failing


def filters() -> dict[str, float]:
    """Processor seconds of the three ways over a million rows, medians in turns."""
    rows = table(LARGE)
    with tempfile.TemporaryDirectory() as folder:
        suite = suite_of_ten(Path(folder))
    checks = Checks(suite)
    ways: dict[str, Callable[[], Failing]] = {
        "masks": lambda: by_masks(suite.content, rows),
        "suite": lambda: by_suite(checks, rows),
        "report": lambda: by_report(suite.content, rows),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    outcome: dict[str, Failing] = {}
    for _ in range(TURNS):
        for name, way in ways.items():
            started = time.process_time()
            outcome[name] = way()
            seconds[name].append(time.process_time() - started)
    assert all(np.array_equal(outcome["masks"], other) for other in outcome.values())
    assert outcome["masks"].any(axis=1).sum() >= 7, "most expectations fail some rows"
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    return {f"{name}_seconds_1m": value for name, value in medians.items()} | {
        "suite_vs_masks_1m": medians["suite"] / medians["masks"],
        "report_vs_masks_1m": medians["report"] / medians["masks"],
    }


def stage(count: int) -> dict[str, float]:
    """Seconds and memory of the stage in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        make_project(Path(folder), count)
        command = [sys.executable, "-m", "benchmarks.validate.stage", folder, str(count)]
        ended = subprocess.run(command, capture_output=True, text=True, check=True)
    measured: dict[str, float] = json.loads(ended.stdout)
    return measured


def main() -> None:
    """Measure and write results.json."""
    results = filters()
    small, large = stage(SMALL), stage(LARGE)
    results |= {
        "stage_seconds_100k": small["seconds"],
        "stage_seconds_1m": large["seconds"],
        "memory_mb_100k": small["memory_mb"],
        "memory_mb_1m": large["memory_mb"],
        "peak_memory_1m_vs_100k": large["memory_mb"] / small["memory_mb"],
    }
    print_figures(results, 4)
    rounded = {name: round(value, 4) for name, value in results.items()} | {"cores": os.cpu_count()}
    (HERE / "results.json").write_text(json.dumps(rounded, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
