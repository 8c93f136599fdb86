"""The closing summary that every stage prints."""

from __future__ import annotations

from collections.abc import Iterable, Mapping


def say(stage: str, task: str, lines: Iterable[str]) -> None:
    """Print a stage's closing summary to standard output."""
    for line in lines:
        print(f"{stage} {task}: {line}", flush=True)


def counted(counts: Mapping[str, int]) -> str:
    """`a 3, b 1` from a mapping of counts; `none` when it is empty."""
    return ", ".join(f"{name} {count}" for name, count in counts.items()) or "none"
