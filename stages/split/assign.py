"""Components in, split names out: stratified, and stable when traffic grows.

Components are taken in the order of time, stratum by stratum (label, and the share of test that its rows
have). Each adds the shares of test, validation and train to their credits and goes where the credit is
largest, which costs one (smooth weighted round robin): so at every moment each stratum has given each split
its share, to within one component. All that decides belongs to the first row of a component and to the
components before it: rows that come later move no row that was there, unless they link two components.
"""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from itertools import islice

from stages.shared.errors import UserError
from stages.shared.files import Row
from stages.split.params import SplitParams

SPLITS = ("train", "validation", "test")
# Before the first component of a stratum, the seed lets up to so many imaginary ones pass: another seed,
# another split.
PHASES = 20


def assign(rows: list[Row], members: list[list[int]], params: SplitParams) -> dict[str, list[Row]]:
    """Rows by split, each with `component` (the id of its earliest row) and `split`, in the order given.

    A component whose first row is in a hard slice adds that slice's share of test, the largest where it is in
    several.
    """
    credits: dict[tuple[str, float], dict[str, float]] = {}
    placed: dict[int, Row] = {}
    firsts = [(min(component, key=lambda i: _age(rows[i])), component) for component in members]
    for first, component in sorted(firsts, key=lambda pair: _age(rows[pair[0]])):
        shares = [hard.fraction for name, hard in params.hard_slices.items() if name in rows[first]["slices"]]
        stratum = (rows[first]["label"], max([params.test, *shares]))
        if stratum not in credits:
            credits[stratum] = _credits_at_start(stratum, params)
        split = _next_split(credits[stratum], stratum[1], params.validation)
        for i in component:
            placed[i] = rows[i] | {"component": rows[first]["id"], "split": split}
    return {name: [placed[i] for i in sorted(placed) if placed[i]["split"] == name] for name in SPLITS}


def _age(row: Row) -> tuple[str, str]:
    return row["timestamp"], row["id"]


def _credits_at_start(stratum: tuple[str, float], params: SplitParams) -> dict[str, float]:
    digest = hashlib.sha256(f"{params.seed}\n{stratum[0]}\n{stratum[1]}".encode()).digest()
    credits = dict.fromkeys(SPLITS, 0.0)
    for _ in range(digest[0] % PHASES):
        _next_split(credits, stratum[1], params.validation)
    return credits


def _next_split(credits: dict[str, float], test: float, validation: float) -> str:
    """Add the shares, take the split with the largest credit and charge it one component."""
    for name, share in zip(SPLITS, (1 - test - validation, validation, test), strict=True):
        credits[name] += share
    split = max(SPLITS, key=lambda name: credits[name])
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
        count = sum(name in row["slices"] for row in parts["test"])
        if count < hard.minimum:
            short.append(f"test holds {count} of {hard.minimum} rows of slice {name}")
    short += [f"{split} is empty" for split in SPLITS if not parts[split]]
    if short:
        raise UserError(
            f"params.yaml: {task}.split: quotas are not met: {'; '.join(short)}; bring more such "
            "traffic, raise the fraction, or lower the minimum"
        )
