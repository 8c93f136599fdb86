"""Pinned rows: the splits that rows had in a release, kept in Git by `still pin`.

A line of `data/pinned/<task>.jsonl`:

    {"id": ..., "split": "train" | "validation" | "test"}
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from stages.shared.errors import UserError
from stages.shared.files import Row
from stages.shared.settings import Settings


class Pin(Settings):
    """One row that stays where it was."""

    id: str
    split: Literal["train", "validation", "test"]


def check_pins(numbered: Iterable[tuple[int, Row]], path: Path) -> dict[str, str]:
    """Split by row id. Raises UserError naming the line of a bad pin or of a row that is pinned twice."""
    pins: dict[str, str] = {}
    for number, line in numbered:
        pin = Pin.check(line, f"{path}:{number}")
        if pin.id in pins:
            raise UserError(f"{path}:{number}: {pin.id!r} is pinned already; remove one of the two lines")
        pins[pin.id] = pin.split
    return pins
