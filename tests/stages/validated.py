"""Running validate on rows with samples."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from promptstill.core.files import write_rows
from promptstill.rows.identity import input_hash
from promptstill.rows.row import SampledRow
from stages.validate import __main__ as validate
from tests.project import read_lines, row, write, write_lines


def validated(project: Path, rows: Sequence[SampledRow], task: str = "colour") -> dict[str, dict[str, Any]]:
    """The rows that validate writes, by id."""
    write_rows(project / f"data/generate/{task}/rows.jsonl", rows)
    validate.main(task)
    return {row["id"]: row for row in read_lines(project / f"data/validate/{task}/rows.jsonl")}


def metrics(project: Path) -> dict[str, Any]:
    """The metrics of the stage."""
    content: dict[str, Any] = json.loads((project / "data/validate/colour/metrics.json").read_text())
    return content


def filters(project: Path, *expectations: dict[str, Any]) -> Path:
    """Give the task a suite of these expectations."""
    path = project / "expectations/colour/suite.json"
    write(path, json.dumps({"name": "s", "expectations": list(expectations)}))
    return path


def filter_on(kind: str, reason: str = "r", action: str = "reject", **kwargs: Any) -> dict[str, Any]:
    """An expectation about rows."""
    return {"type": kind, "kwargs": kwargs, "meta": {"reason": reason, "action": action}}


def between(column: str, reason: str = "r", action: str = "reject", **bounds: Any) -> dict[str, Any]:
    """A bound on a column."""
    return filter_on("expect_column_values_to_be_between", reason, action, column=column, **bounds)


def review(
    number: int, decision: str, answer: Any = None, teacher_answer: Any = None, **changes: Any
) -> dict[str, Any]:
    """A line about the input of row `number`."""
    line = {
        "input_hash": input_hash(row(number)["input"]),
        "decision": decision,
        "answer": answer,
        "teacher_answer": teacher_answer,
        "reviewer": "ann",
        "at": "2026-04-01T00:00:00Z",
    }
    return line | changes


def reviewed(project: Path, *lines: dict[str, Any]) -> None:
    """Write the reviews of the task."""
    write_lines(project / "data/reviews/colour.jsonl", list(lines))
