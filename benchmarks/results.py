"""The file of a benchmark that measures tasks one by one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from promptstill.core.files import read_json, write_json


def write_task(path: Path, task: str, figures: Mapping[str, object]) -> None:
    """Write the figures of a task beside those of other tasks; all in the order of their names."""
    others = read_json(path) if path.exists() else {}
    write_json(path, dict(sorted({**others, task: dict(sorted(figures.items()))}.items())))
