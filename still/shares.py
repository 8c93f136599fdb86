"""Nested shares of the train rows, for a curve of scores over rows."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Sequence

from promptstill.rows.row import SplitRow

SHARES = (1 / 8, 1 / 4, 1 / 2, 1.0)


def shares_of(rows: Sequence[SplitRow]) -> list[list[SplitRow]]:
    """Nested shares of the rows, the smallest first, each with whole components.

    Components are ordered by the hashes of their names, within each label in proportion to its rows. First
    comes a component of every label, so that the smallest share has all labels. This is left out for labels
    whose components are all larger than that share, and for texts that are no classes.
    """
    order, least = _ordered(rows)
    sizes = Counter(row["component"] for row in rows)
    ends = [0]
    for component in order:
        ends.append(ends[-1] + sizes[component])
    shares: list[set[str]] = []
    for share in SHARES:
        # As many components as come closest to the share.
        count = min(range(least, len(ends)), key=lambda i: abs(ends[i] - share * len(rows)))
        if not shares or count > len(shares[-1]):
            shares.append(set(order[:count]))
    return [[row for row in rows if row["component"] in chosen] for chosen in shares]


def _ordered(rows: Sequence[SplitRow]) -> tuple[list[str], int]:
    """The components in the order in which shares take them, and how many every share has."""
    frequency = Counter(row["label"] for row in rows)
    labels: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        labels[row["component"]].add(row["label"])
    sizes = Counter(row["component"] for row in rows)
    hashed = sorted(labels, key=lambda name: hashlib.sha256(name.encode()).digest())
    # A component counts for the rarest of its labels.
    of_label: dict[str, list[str]] = defaultdict(list)
    for component in hashed:
        of_label[min(labels[component], key=lambda label: (frequency[label], label))].append(component)
    place: dict[str, float] = {}
    for components in of_label.values():
        total, before = sum(sizes[name] for name in components), 0
        for name in components:
            place[name] = (before + sizes[name] / 2) / total
            before += sizes[name]
    small = [name for name in hashed if sizes[name] <= SHARES[0] * len(rows)]
    covered: set[str] = set()
    # Free text has about as many labels as rows, of which no small share can have all.
    wanted = frequency if len(frequency) <= SHARES[1] * len(rows) else ()
    for label in sorted(wanted, key=lambda label: (frequency[label], label)):
        holder = next((name for name in small if label in labels[name]), None)
        if label not in covered and holder is not None:
            covered |= labels[holder]
            place[holder] = -1.0
    least = sum(position < 0 for position in place.values())
    return sorted(hashed, key=lambda name: place[name]), max(1, least)
