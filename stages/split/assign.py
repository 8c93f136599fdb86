"""Linked rows in, split names out: by shares of labels, by time or by source, and stable as traffic grows.

Rows come in the order of time. A row that is linked to none before it founds a component, and the strategy
says where that goes; a row that is linked to one joins it. What is decided so belongs to a row and to those
before it: rows that come later move none that was there, unless they link two components in different splits.
Then the earlier one's split holds for both, and every row that moves is reported with the row that moved it.

Stratified: each row adds the shares of test, validation and train to the credits of its stratum (label, and
the share of test that it has), and the split that it is in is charged one. A row that founds a component
goes where the credit is largest (smooth weighted round robin), and so makes up for the rows that links have
taken elsewhere. A hash of the component would not even need the order of time, but leaves the sizes of splits
and labels to chance. Rows of a release can be pinned, so that also rows that vanish, or come with an early
timestamp, move none.
"""

from __future__ import annotations

import hashlib
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import islice

from stages.shared.errors import UserError
from stages.shared.files import Row
from stages.split.links import Links, age
from stages.split.params import SplitParams

SPLITS = ("train", "validation", "test")
# Before the first component of a stratum, the seed lets up to so many imaginary ones pass: another seed,
# another split.
PHASES = 20
PINNED, SHARE, WINDOW, SOURCE, LINK = "pinned", "share", "window", "source", "link"


@dataclass
class Component:
    """Positions of rows that hang together. Its split is that of `decider`: the earliest pinned row, or else
    the earliest."""

    first: int
    decider: int
    pinned: bool
    split: str
    reason: str
    rows: list[int]


@dataclass(frozen=True)
class Placement:
    """Rows by split, in the order given; and the moves: rows that a later link brought from one split to
    another (`id`, `from`, `to`, `because` of which row, and whether the row was `pinned`)."""

    parts: dict[str, list[Row]]
    moves: list[Row]


def assign(
    rows: list[Row], links: Links, params: SplitParams, pins: Mapping[str, str] | None = None
) -> Placement:
    """Place every row, with `component` (the id of its earliest row), `split` and `split_reason`.

    `split_reason` is what put the row there: `pinned`, `share` (of its label), `slice NAME` (the share of a
    hard slice), `window` (of time), `source`, or `link` (the component that it belongs to). `pins` are splits
    by row id.
    """
    pinned = pins or {}
    order = sorted(range(len(rows)), key=lambda i: age(rows[i]))
    rank = [0] * len(rows)
    for place, i in enumerate(order):
        rank[i] = place
    earlier: dict[int, list[int]] = defaultdict(list)
    for some in links.values():
        for first, later in some:
            earlier[later].append(first)

    parent = list(range(len(rows)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = i = parent[parent[i]]
        return i

    rule = RULES[params.strategy](params)
    components: dict[int, Component] = {}
    moves: list[Row] = []
    for i in order:
        pin = pinned.get(rows[i]["id"])
        joined = [components.pop(first) for first in sorted({root(j) for j in earlier[i]})]
        if not joined:
            joined = [Component(i, i, pin is not None, *rule(rows[i], pin), [i])]
        elif pin is not None:
            joined.append(Component(i, i, True, pin, PINNED, [i]))
        alone = [] if joined[-1].first == i else [i]
        leads = min(joined, key=lambda one: (not one.pinned, rank[one.decider]))
        if earlier[i]:
            # A row that joins takes up its label's share too.
            rule(rows[i], leads.split)
        for other in joined:
            if other.split != leads.split:
                moves += [_move(rows[j], other.split, leads.split, rows[i], pinned) for j in other.rows]
        first = min((one.first for one in joined), key=lambda first: rank[first])
        # The longest list takes up the others, so that no row is copied often.
        members, *others = sorted((one.rows for one in joined), key=len, reverse=True)
        members += [j for some in others for j in some] + alone
        for one in joined:
            parent[one.first] = first
        parent[i] = first
        components[first] = replace(leads, first=first, rows=members)

    placed = []
    for i, row in enumerate(rows):
        component = components[root(i)]
        decided = component.decider == i
        reason = component.reason if decided else _why(row, component.split, params, pinned)
        named = {"component": rows[component.first]["id"], "split": component.split, "split_reason": reason}
        placed.append(row | named)
    return Placement({name: [row for row in placed if row["split"] == name] for name in SPLITS}, moves)


def _move(row: Row, source: str, target: str, because: Row, pinned: Mapping[str, str]) -> Row:
    ends = {"from": source, "to": target, "because": because["id"]}
    return {"id": row["id"]} | ends | {"pinned": row["id"] in pinned}


def _why(row: Row, split: str, params: SplitParams, pinned: Mapping[str, str]) -> str:
    """Why a row that decided nothing is where it is: its pin, time or source says the same, or else its
    links."""
    if pinned.get(row["id"]) == split:
        return PINNED
    if params.strategy == "stratified":
        return LINK
    own, reason = RULES[params.strategy](params)(row, None)
    return reason if own == split else LINK


# Where a component goes that a row founds, and why; a pin is a split that stands already, and is counted.
Rule = Callable[[Row, str | None], tuple[str, str]]


def _by_shares(params: SplitParams) -> Rule:
    credits: dict[tuple[str, float], dict[str, float]] = {}

    def rule(row: Row, pin: str | None) -> tuple[str, str]:
        shares = {f"slice {name}": params.hard_slices[name].fraction for name in row["hard"]}
        held_out = {name: share for name, share in shares.items() if share is not None}
        reason, test = max([(SHARE, params.test), *held_out.items()], key=lambda pair: pair[1])
        stratum = (row["label"], test)
        if stratum not in credits:
            credits[stratum] = _credits_at_start(stratum, params)
        split = _next_split(credits[stratum], test, params.validation, pin)
        return split, reason if pin is None else PINNED

    return rule


def _by_time(params: SplitParams) -> Rule:
    assert params.windows is not None
    starts = {"test": params.windows.test_from, "validation": params.windows.validation_from}

    def rule(row: Row, pin: str | None) -> tuple[str, str]:
        if pin is not None:
            return pin, PINNED
        return next((name for name, start in starts.items() if row["timestamp"] >= start), "train"), WINDOW

    return rule


def _by_source(params: SplitParams) -> Rule:
    assert params.sources is not None
    held_out = params.sources.model_dump()

    def rule(row: Row, pin: str | None) -> tuple[str, str]:
        if pin is not None:
            return pin, PINNED
        return next((name for name, some in held_out.items() if row["source"] in some), "train"), SOURCE

    return rule


RULES: dict[str, Callable[[SplitParams], Rule]] = {
    "stratified": _by_shares,
    "time": _by_time,
    "source": _by_source,
}


def _credits_at_start(stratum: tuple[str, float], params: SplitParams) -> dict[str, float]:
    digest = hashlib.sha256(f"{params.seed}\n{stratum[0]}\n{stratum[1]}".encode()).digest()
    credits = dict.fromkeys(SPLITS, 0.0)
    for _ in range(digest[0] % PHASES):
        _next_split(credits, stratum[1], params.validation)
    return credits


def _next_split(credits: dict[str, float], test: float, validation: float, pin: str | None = None) -> str:
    """Add the shares, take the pinned split or that with the largest credit, and charge it one row."""
    for name, share in zip(SPLITS, (1 - test - validation, validation, test), strict=True):
        credits[name] += share
    split = pin or max(SPLITS, key=lambda name: credits[name])
    credits[split] -= 1
    return split


def random_split(parts: dict[str, list[Row]], seed: int) -> dict[str, list[Row]]:
    """The same rows in splits of the same sizes, drawn without regard to where rows come from: it shows what
    a split by chance would leak."""
    rows = [row for part in parts.values() for row in part]
    random.Random(seed).shuffle(rows)
    drawn = iter(rows)
    return {name: list(islice(drawn, len(part))) for name, part in parts.items()}


def check_quotas(parts: dict[str, list[Row]], params: SplitParams, task: str) -> None:
    """Raise UserError that lists every label and hard slice of which a split holds too few rows."""
    short = []
    labels = sorted({row["label"] for part in parts.values() for row in part})
    for split, minimum in params.label_minimum.model_dump().items():
        held = Counter(row["label"] for row in parts[split])
        short += [
            f"{split} holds {held[label]} of {minimum} rows of {label}"
            for label in labels
            if held[label] < minimum
        ]
    for name, hard in params.hard_slices.items():
        count = sum(name in row["hard"] for row in parts["test"])
        if count < hard.minimum:
            short.append(f"test holds {count} of {hard.minimum} rows of slice {name}")
    short += [f"{split} is empty" for split in SPLITS if not parts[split]]
    if short:
        raise UserError(
            f"params.yaml: {task}.split: quotas are not met: {'; '.join(short)}; bring more such "
            "traffic, raise the fraction, or lower the minimum"
        )
