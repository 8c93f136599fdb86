"""Near-duplicate pairs in, groups and their representatives out."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from promptstill.near.components import connected
from promptstill.near.pairs import Pair
from promptstill.rows.origin import origin
from promptstill.rows.review_queue import QueueEntry, certainty, queue_entry
from promptstill.rows.row import DedupedRow, FloodedRow, GroupedRow, KeptRow, Nearest, RemovedRow

CONFLICT = "label_conflict"


def preference(row: KeptRow, needy: frozenset[str] = frozenset()) -> tuple[bool, float, int, str, str]:
    """Sort key: the best row of a group first. Rows are preferred that a person edited, then by agreement, by
    the number of needy slices that they are in, and by age."""
    wanted = len(needy.intersection(row["slices"]))
    return (not row["edited"], -row["agreement"], -wanted, row["timestamp"], row["id"])


def represent(
    rows: list[KeptRow], pairs: list[Pair], minimum: Mapping[str, int] | None = None
) -> tuple[list[DedupedRow], list[RemovedRow]]:
    """Split rows into kept rows, one per group, and removed rows, both in the order given.

    Every row gets `group` (the id of its group's representative) and `nearest` (its most similar partner). A
    kept row gets `linked`, the origins of the rows that it represents. A removed row gets `removed_for`, the
    row that stays in its place, and `removed_because`. A slice is needy if fewer rows than its `minimum`
    would stay: of equally good rows, a row in a needy slice is kept.
    """
    groups = connected(len(rows), [(pair.left, pair.right) for pair in pairs])
    first = [min((rows[i] for i in members), key=preference) for members in groups]
    held = Counter(name for row in first for name in row["slices"])
    needy = frozenset(name for name, least in (minimum or {}).items() if held[name] < least)

    partners: dict[int, list[Pair]] = defaultdict(list)
    for pair in pairs:
        partners[pair.left].append(pair)
        partners[pair.right].append(pair)
    kept: dict[int, DedupedRow] = {}
    removed: dict[int, RemovedRow] = {}
    for members in groups:
        best = min(members, key=lambda i: preference(rows[i], needy))
        for i in members:
            row: GroupedRow = {
                **rows[i],
                "group": rows[best]["id"],
                "nearest": _nearest(i, partners[i], rows),
            }
            if i == best:
                kept[i] = {**row, "linked": [origin(rows[j]) for j in members if j != best]}
            else:
                removed[i] = {**row, "removed_for": rows[best]["id"], "removed_because": "near_duplicate"}
    return [kept[i] for i in sorted(kept)], [removed[i] for i in sorted(removed)]


def _nearest(i: int, pairs: list[Pair], rows: list[KeptRow]) -> Nearest:
    if not pairs:
        return {"id": None, "meaning": None, "text": None}
    best = max(pairs, key=lambda pair: (pair.cosine + pair.text_overlap, -pair.left, -pair.right))
    other = best.right if best.left == i else best.left
    return {
        "id": rows[other]["id"],
        "meaning": round(best.cosine, 4),
        "text": round(best.text_overlap, 4),
    }


def without_floods(
    rows: list[DedupedRow], pairs: list[Pair], most: int
) -> tuple[list[DedupedRow], list[FloodedRow]]:
    """Limit paraphrases per source: rows that stay, and rows that leave.

    `pairs` reach thresholds that are looser than those of near-duplicates. Of same-source rows that they
    connect, only the best `most` stay. A row that leaves gets `removed_for`, the best of the connected rows,
    and `removed_because`.
    """
    links = [
        (pair.left, pair.right) for pair in pairs if rows[pair.left]["source"] == rows[pair.right]["source"]
    ]
    leave: dict[int, FloodedRow] = {}
    for members in connected(len(rows), links):
        best = sorted(members, key=lambda i: preference(rows[i]))
        for i in best[most:]:
            leave[i] = {**rows[i], "removed_for": rows[best[0]]["id"], "removed_because": "flooding"}
    return [row for i, row in enumerate(rows) if i not in leave], [leave[i] for i in sorted(leave)]


def label_conflicts(removed: Sequence[GroupedRow], kept: Sequence[GroupedRow]) -> list[QueueEntry]:
    """The review queue of groups whose members have different labels: a label is wrong, or the boundary
    between the labels is soft.

    All members of a group are listed with their `group`, the least certain group first. A group is left out
    if a person has decided about its representative.
    """
    groups: dict[str, list[GroupedRow]] = defaultdict(list)
    for row in [*kept, *removed]:
        groups[row["group"]].append(row)
    conflicts = [
        members
        for members in groups.values()
        if len({row["label"] for row in members}) > 1 and members[0]["review"] is None
    ]
    conflicts.sort(key=lambda members: min(map(certainty, members)))
    return [
        {
            **queue_entry(row, [*row["reasons"], CONFLICT]),
            "group": row["group"],
            "label": row["label"],
        }
        for members in conflicts
        for row in members
    ]
