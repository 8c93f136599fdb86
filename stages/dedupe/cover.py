"""Pairs of near rows in, the rows that stay out: a cover of all rows by representatives.

The best row is taken first, then the best of the others, and so on. A row stays unless enough rows that stay
already are near it, so no row leaves for a row that it is not itself near: chains of pairs do not add up. The
rows that stay depend on the rows and their pairs alone, not on their order.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime

from promptstill.near.pairs import Pair
from promptstill.rows.origin import age
from promptstill.rows.row import KeptRow, Nearest

# The pairs of each row that has any, by its position.
Partners = Mapping[int, Sequence[Pair]]


def partners_of(pairs: Iterable[Pair]) -> Partners:
    """The pairs of each row, by its position."""
    partners: dict[int, list[Pair]] = defaultdict(list)
    for pair in pairs:
        partners[pair.left].append(pair)
        partners[pair.right].append(pair)
    return partners


# A key that differs for every row; the best row has the smallest.
Preference = tuple[bool, float, int, int, datetime, str]


def preference(row: KeptRow, needy: frozenset[str] = frozenset()) -> Preference:
    """Sort key, different for every row: the best row first. Rows are preferred that a person edited, then by
    agreement, by valid samples, by the number of needy slices that they are in, and by age."""
    wanted = len(needy.intersection(row["slices"]))
    return (not row["edited"], -row["agreement"], -row["valid_samples"], -wanted, *age(row))


def cover(
    rows: Sequence[KeptRow], partners: Partners, most: int, minimum: Mapping[str, int]
) -> frozenset[int]:
    """Positions of the rows that stay. A row leaves if `most` better rows that are near it stay.

    A slice is needy if it keeps fewer rows than its `minimum`. Of equally good rows, those in needy slices
    are then preferred. Because this can make another slice needy, it is repeated with that slice too; of all
    results, the first with the fewest missing rows is taken.
    """
    needy: frozenset[str] = frozenset()
    results = []
    while True:
        stay = _staying(rows, partners, most, needy)
        held = Counter(name for i in stay for name in rows[i]["slices"])
        missing = {name: least - held[name] for name, least in minimum.items() if held[name] < least}
        results.append((sum(missing.values()), stay))
        if needy.issuperset(missing):
            return min(results, key=lambda result: result[0])[1]
        needy |= missing.keys()


def _staying(rows: Sequence[KeptRow], partners: Partners, most: int, needy: frozenset[str]) -> frozenset[int]:
    stay = set(range(len(rows))) - partners.keys()
    for i in sorted(partners, key=lambda i: preference(rows[i], needy)):
        if sum(other_end(pair, i) in stay for pair in partners[i]) < most:
            stay.add(i)
    return frozenset(stay)


def other_end(pair: Pair, i: int) -> int:
    """The position that the pair connects position `i` with."""
    return pair.left + pair.right - i


def nearest_pair(
    i: int, partners: Partners, rows: Sequence[KeptRow], among: Collection[int] | None = None
) -> Pair | None:
    """The pair of row `i` with the largest sum of both similarities; of equal pairs, that with the first id.
    With `among`, only pairs with these positions count."""
    pairs = [pair for pair in partners.get(i, ()) if among is None or other_end(pair, i) in among]
    return min(
        pairs,
        key=lambda pair: (-pair.cosine - pair.text_overlap, rows[other_end(pair, i)]["id"]),
        default=None,
    )


def nearest(i: int, pair: Pair | None, rows: Sequence[KeptRow]) -> Nearest:
    """The field `nearest` of row `i`, given its nearest pair."""
    if pair is None:
        return {"id": None, "meaning": None, "text": None}
    return {
        "id": rows[other_end(pair, i)]["id"],
        "meaning": round(pair.cosine, 4),
        "text": round(pair.text_overlap, 4),
    }


def leaving(
    rows: Sequence[KeptRow], partners: Partners, stay: Collection[int]
) -> dict[int, tuple[int, Nearest]]:
    """For each position that does not stay, in order: the nearest position that does, and the field
    `nearest`."""
    pairs = {i: nearest_pair(i, partners, rows, stay) for i in range(len(rows)) if i not in stay}
    return {i: (other_end(pair, i), nearest(i, pair, rows)) for i, pair in pairs.items() if pair is not None}
