"""Near-duplicate pairs in, groups and their representatives out."""

from __future__ import annotations

from stages.shared.files import Row
from stages.shared.graph import connected
from stages.shared.similarity import Pair


def preference(row: Row) -> tuple[bool, float, str, str]:
    """Sort key: the best row of a group comes first. Edited by a person, then agreement, then earliest, then
    id."""
    return (not row["edited"], -row["agreement"], row["timestamp"], row["id"])


def represent(rows: list[Row], pairs: list[Pair]) -> tuple[list[Row], list[Row]]:
    """Split rows into kept ones (one a group) and removed ones, both in the order given.

    Every row gets `group` (the id of its group's representative), `nearest` (its most similar partner with
    both similarities, None when it has none) and `linked` (account, thread and repeats of the rows it stands
    for). A removed row also gets `removed_for`, the row that stays in its place.
    """
    partners: dict[int, list[Pair]] = {}
    for pair in pairs:
        partners.setdefault(pair.left, []).append(pair)
        partners.setdefault(pair.right, []).append(pair)
    kept, removed = {}, {}
    for members in connected(len(rows), [(pair.left, pair.right) for pair in pairs]):
        best = min(members, key=lambda i: preference(rows[i]))
        for i in members:
            row = rows[i] | {"group": rows[best]["id"], "nearest": _nearest(i, partners.get(i, []), rows)}
            if i == best:
                kept[i] = row | {"linked": [_origin(rows[j]) for j in members if j != best]}
            else:
                removed[i] = row | {"removed_for": rows[best]["id"]}
    return [kept[i] for i in sorted(kept)], [removed[i] for i in sorted(removed)]


def _nearest(i: int, pairs: list[Pair], rows: list[Row]) -> Row:
    if not pairs:
        return {"id": None, "meaning": None, "text": None}
    best = max(pairs, key=lambda pair: (pair.meaning + pair.text, -pair.left, -pair.right))
    other = best.right if best.left == i else best.left
    return {"id": rows[other]["id"], "meaning": best.meaning, "text": best.text}


def _origin(row: Row) -> Row:
    return {name: row[name] for name in ("id", "account", "thread")}


def label_conflicts(removed: list[Row], kept: list[Row]) -> list[Row]:
    """Removed rows whose label differs from that of the row kept in their place: one of the two is wrong."""
    label = {row["id"]: row["label"] for row in kept}
    return [row for row in removed if row["label"] != label[row["removed_for"]]]
