"""Near-duplicate pairs in, groups and their representatives out."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping

from stages.shared.files import Row
from stages.shared.graph import connected
from stages.shared.origin import origin
from stages.shared.queue import certainty, queued
from stages.shared.similarity import Pair

CONFLICT = "label_conflict"
NEAR_DUPLICATE = "near_duplicate"
FLOODING = "flooding"


def preference(row: Row, needy: frozenset[str] = frozenset()) -> tuple[bool, float, int, str, str]:
    """Sort key: the best row of a group comes first. Edited by a person, then agreement, then in more of the
    needy slices, then earliest, then id."""
    wanted = len(needy.intersection(row["slices"]))
    return (not row["edited"], -row["agreement"], -wanted, row["timestamp"], row["id"])


def represent(
    rows: list[Row], pairs: list[Pair], minimum: Mapping[str, int] | None = None
) -> tuple[list[Row], list[Row]]:
    """Split rows into kept ones (one a group) and removed ones, both in the order given.

    Every row gets `group` (the id of its group's representative), `nearest` (its most similar partner with
    both similarities, None when it has none) and `linked` (origins of the rows it stands for). A removed row
    also gets `removed_for`, the row that stays in its place, and `removed_because`. A slice of which fewer
    rows than its `minimum` would stay is needy: of equally good rows one that is in it stays.
    """
    groups = connected(len(rows), [(pair.left, pair.right) for pair in pairs])
    first = [min((rows[i] for i in members), key=preference) for members in groups]
    held = Counter(name for row in first for name in row["slices"])
    needy = frozenset(name for name, least in (minimum or {}).items() if held[name] < least)

    partners: dict[int, list[Pair]] = defaultdict(list)
    for pair in pairs:
        partners[pair.left].append(pair)
        partners[pair.right].append(pair)
    kept, removed = {}, {}
    for members in groups:
        best = min(members, key=lambda i: preference(rows[i], needy))
        for i in members:
            row = rows[i] | {"group": rows[best]["id"], "nearest": _nearest(i, partners[i], rows)}
            if i == best:
                kept[i] = row | {"linked": [origin(rows[j]) for j in members if j != best]}
            else:
                removed[i] = row | {"removed_for": rows[best]["id"], "removed_because": NEAR_DUPLICATE}
    return [kept[i] for i in sorted(kept)], [removed[i] for i in sorted(removed)]


def _nearest(i: int, pairs: list[Pair], rows: list[Row]) -> Row:
    if not pairs:
        return {"id": None, "meaning": None, "text": None}
    best = max(pairs, key=lambda pair: (pair.meaning + pair.text, -pair.left, -pair.right))
    other = best.right if best.left == i else best.left
    return {"id": rows[other]["id"], "meaning": round(best.meaning, 4), "text": round(best.text, 4)}


def without_floods(rows: list[Row], pairs: list[Pair], most: int) -> tuple[list[Row], list[Row]]:
    """Rows that stay and rows that leave, where a source sent more than `most` that are near one another.

    `pairs` are looser than those of near-duplicates; what hangs together through them within one source is a
    flood, and its `most` best rows stay. A row that leaves has `removed_for` (the best of its flood) and
    `removed_because`.
    """
    links = [
        (pair.left, pair.right) for pair in pairs if rows[pair.left]["source"] == rows[pair.right]["source"]
    ]
    leave: dict[int, Row] = {}
    for members in connected(len(rows), links):
        best = sorted(members, key=lambda i: preference(rows[i]))
        for i in best[most:]:
            leave[i] = rows[i] | {"removed_for": rows[best[0]]["id"], "removed_because": FLOODING}
    return [row for i, row in enumerate(rows) if i not in leave], [leave[i] for i in sorted(leave)]


def label_conflicts(removed: list[Row], kept: list[Row]) -> list[Row]:
    """The review queue of groups whose members have different labels: one of them is wrong, or the boundary
    is soft. All members are listed, the least certain group first, with their `group`; a group whose
    representative a person has decided about is not."""
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in [*kept, *removed]:
        groups[row["group"]].append(row)
    conflicts = [
        members
        for members in groups.values()
        if len({row["label"] for row in members}) > 1 and members[0]["review"] is None
    ]
    conflicts.sort(key=lambda members: min(map(certainty, members)))
    return [
        queued(row | {"reasons": [*row["reasons"], CONFLICT]})
        | {"group": row["group"], "label": row["label"]}
        for members in conflicts
        for row in members
    ]
