"""Pinned rows: the splits that rows had in a release, kept in Git by `still pin`.

A line of `data/pinned/<task>.jsonl`:

    {"id": ..., "split": "train" | "validation" | "test"}
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from promptstill.console.errors import UserError, check_each
from promptstill.core.files import JsonObject
from promptstill.core.settings import Settings
from promptstill.rows.row import SplitName


class Pin(Settings):
    """One row that stays in its split."""

    id: str
    split: SplitName


def check_pins(numbered: Iterable[tuple[int, JsonObject]], path: Path) -> dict[str, SplitName]:
    """Split by row id. Raises UserError naming the lines of bad pins and of rows that are pinned twice."""
    pins: dict[str, SplitName] = {}

    def check(number: int, line: JsonObject) -> None:
        pin = Pin.check(line, f"{path}:{number}")
        if pin.id in pins:
            raise UserError(f"{path}:{number}: {pin.id!r} is pinned already; remove one of the two lines")
        pins[pin.id] = pin.split

    check_each(numbered, check)
    return pins
