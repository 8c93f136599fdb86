"""Running validate on rows with samples."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from promptstill.core.files import write_rows
from promptstill.rows.row import SampledRow
from stages.validate import __main__ as validate
from tests.project import read_lines


def validated(project: Path, rows: Sequence[SampledRow], task: str = "colour") -> dict[str, dict[str, Any]]:
    """The rows that validate writes, by id."""
    write_rows(project / f"data/generate/{task}/rows.jsonl", rows)
    validate.main(task)
    return {row["id"]: row for row in read_lines(project / f"data/validate/{task}/rows.jsonl")}
