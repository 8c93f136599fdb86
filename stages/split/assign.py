"""Linked rows in, split names out, stable as traffic grows.

Rows are placed in order of time. A row without a link to an earlier row founds a component, and the quota
chooses its split. A row with such links joins their component. A decision therefore depends only on the row
and on earlier rows: later rows move no earlier one, unless they connect two components in different splits.
In that case the split of the earlier component holds for both. Rows of a release can be pinned, so that rows
that disappear, or that arrive with an early timestamp, move nothing either. Only pins tell where rows were
before, so only pinned rows are reported as moved, each with the row that connected it.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from promptstill.near.components import Components
from promptstill.rows.origin import age
from promptstill.rows.row import Move, PlacedRow, RatedRow, SplitName
from stages.split.links import Links
from stages.split.params import SplitParams
from stages.split.quota import SPLITS, Quota, quota_of

Parts = dict[SplitName, list[PlacedRow]]


@dataclass(frozen=True)
class Component:
    """Connected rows, by position. Their split is that of `decider`: the earliest pinned row, or else the
    earliest row."""

    first: int
    decider: int
    pinned: bool
    split: SplitName
    reason: str
    rows: list[int]


@dataclass(frozen=True)
class Placement:
    """Rows by split, in the order given.

    `moves` has the pinned rows that are in another split than their pin. `joins` has every row that a later
    row's link took to another split than that of the earlier rows alone, in the order of the links.
    """

    parts: Parts
    moves: list[Move]
    joins: list[Move]


def assign(
    rows: Sequence[RatedRow],
    links: Links,
    params: SplitParams,
    pins: Mapping[str, SplitName] | None = None,
) -> Placement:
    """Place every row, with `component` (the id of its earliest row), `split` and `split_reason`.

    `split_reason` says what put the row there: `pinned`, `share` (of its label), `slice NAME` (the share of a
    hard slice), `window` (of time), `source`, or `link` (the component that it belongs to). `pins` are splits
    by row id.
    """
    pinned = pins or {}
    quota = quota_of(params)
    order = sorted(range(len(rows)), key=lambda i: age(rows[i]))
    rank = [0] * len(rows)
    for place, i in enumerate(order):
        rank[i] = place
    earlier: dict[int, list[int]] = defaultdict(list)
    for first, later in (link for of_kind in links.values() for link in of_kind):
        earlier[later].append(first)

    graph = Components(len(rows))
    components: dict[int, Component] = {}
    joins: list[Move] = []
    for i in order:
        roots = graph.roots(earlier[i])
        joined = [components.pop(root) for root in roots]
        pin = pinned.get(rows[i]["id"])
        alone: list[int] = []
        if pin is not None:
            joined.append(Component(i, i, True, pin, "pinned", [i]))
        elif not joined:
            joined.append(Component(i, i, False, *quota.choose(rows[i]), [i]))
        else:
            alone = [i]
        leader = min(joined, key=lambda part: (not part.pinned, rank[part.decider]))
        quota.charge(rows[i], leader.split)
        for part in joined:
            if part.split != leader.split:
                joins += [_move(rows[j]["id"], part.split, leader.split, rows[i]["id"]) for j in part.rows]
        first = min((part.first for part in joined), key=lambda node: rank[node])
        # The longest list takes in the others, so that no row is copied often.
        members, *others = sorted((part.rows for part in joined), key=len, reverse=True)
        members += [j for other in others for j in other] + alone
        graph.join([*roots, i], first)
        components[first] = replace(leader, first=first, rows=members)

    placed: list[PlacedRow] = []
    for i, row in enumerate(rows):
        component = components[graph.root(i)]
        placed.append(
            {
                **row,
                "component": rows[component.first]["id"],
                "split": component.split,
                "split_reason": component.reason
                if component.decider == i
                else _reason(row, component.split, params, quota, pinned),
            }
        )
    home = {row["id"]: row["split"] for row in placed}
    because = {join["id"]: join["because"] for join in joins}
    moves = [
        _move(name, split, home[name], because[name])
        for name, split in pinned.items()
        if home.get(name, split) != split
    ]
    return Placement({name: [row for row in placed if row["split"] == name] for name in SPLITS}, moves, joins)


def _move(name: str, source: SplitName, target: SplitName, because: str) -> Move:
    return {"id": name, "from": source, "to": target, "because": because}


def _reason(
    row: RatedRow, split: SplitName, params: SplitParams, quota: Quota, pinned: Mapping[str, SplitName]
) -> str:
    """Why a row that did not decide its component's split is there: its own pin, window or source gives the
    same split, or else its links."""
    if pinned.get(row["id"]) == split:
        return "pinned"
    if params.strategy == "stratified":
        return "link"
    own, reason = quota.choose(row)
    return reason if own == split else "link"


def random_split(parts: Parts, seed: int) -> Parts:
    """The same rows in splits of the same sizes, drawn without regard to their origin. It shows what a random
    split would leak."""
    rows = [row for part in parts.values() for row in part]
    random.Random(seed).shuffle(rows)
    drawn = iter(rows)
    return {name: list(islice(drawn, len(part))) for name, part in parts.items()}
