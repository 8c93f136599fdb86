"""Rows that must stay together: one component for all that share an account, a thread or a text."""

from __future__ import annotations

from collections import defaultdict

from stages.shared.errors import UserError
from stages.shared.files import Row
from stages.shared.graph import connected
from stages.shared.similarity import Pair

KEYS = ("account", "thread")
NEAR = "near"


def origin_keys(row: Row) -> set[tuple[str, str]]:
    """`(kind, value)` of everything that ties a row to others: its own account and thread, those of its exact
    repeats, and those of the near-duplicates that it stands for."""
    origins = [row, *row["repeats"], *row["linked"]]
    return {(kind, origin[kind]) for origin in origins for kind in KEYS if origin[kind] is not None}


def components(rows: list[Row], near: list[Pair], without: str = "") -> list[list[int]]:
    """Positions of the rows that shared keys or nearness connect, directly or through others; links of the
    kind `without` do not count."""
    holders: dict[tuple[str, str], list[int]] = defaultdict(list)
    for i, row in enumerate(rows):
        for key in origin_keys(row):
            if key[0] != without:
                holders[key].append(i)
    links = [(first, other) for first, *others in holders.values() for other in others]
    nearness = [] if without == NEAR else [(pair.left, pair.right) for pair in near]
    return connected(len(rows), [*links, *nearness])


def check_giant(members: list[list[int]], rows: list[Row], near: list[Pair], most: float, task: str) -> None:
    """Raise UserError where one component holds more than the share `most` of all rows: no split of it can
    have the shares that were asked for. The error names the kind of link that holds it together."""
    giant = max(members, key=len)
    if len(giant) <= most * len(rows):
        return
    left = {kind: max(map(len, components(rows, near, without=kind))) for kind in (*KEYS, NEAR)}
    kind = min(left, key=lambda kind: left[kind])
    remedy = (
        "raise split.link"
        if kind == NEAR
        else f"where strangers share a value of `{kind}`, such as a shop's, set it to null in the traffic"
    )
    raise UserError(
        f"params.yaml: {task}.split.largest_component: one component holds {len(giant)} of {len(rows)} rows, "
        f"more than {most:.0%}; without links by {kind} the largest would hold {left[kind]}; {remedy}"
    )
