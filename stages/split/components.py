"""Rows that must stay together: one component for all that share an account, a thread or a text."""

from __future__ import annotations

from collections import defaultdict

from stages.shared.files import Row
from stages.shared.graph import connected
from stages.shared.similarity import Pair

KEYS = ("account", "thread")


def origin_keys(row: Row) -> set[tuple[str, str]]:
    """`(kind, value)` of everything that ties a row to others: its own account and thread, those of its exact
    repeats, and those of the near-duplicates that it stands for."""
    origins = [row, *row["repeats"], *row["linked"]]
    return {(kind, origin[kind]) for origin in origins for kind in KEYS if origin[kind] is not None}


def components(rows: list[Row], near: list[Pair]) -> list[list[int]]:
    """Positions of the rows that shared keys or nearness connect, directly or through others."""
    holders: dict[tuple[str, str], list[int]] = defaultdict(list)
    for i, row in enumerate(rows):
        for key in origin_keys(row):
            holders[key].append(i)
    links = [(first, other) for first, *others in holders.values() for other in others]
    return connected(len(rows), [*links, *((pair.left, pair.right) for pair in near)])
