"""Near pairs in, those whose answers contradict each other out, and the rows that they are about."""

from __future__ import annotations

from collections.abc import Sequence

from promptstill.near.components import connected
from promptstill.near.pairs import Pair
from promptstill.reviews.queue import Conflict
from promptstill.rows.row import KeptRow
from stages.dedupe.cited import RowsDiffer
from stages.dedupe.cover import nearest, nearest_pair, partners_of, preference
from stages.dedupe.params import DedupeParams


def contradict(rows: Sequence[KeptRow], pair: Pair, differ: RowsDiffer, params: DedupeParams) -> bool:
    """Whether the answers of a pair contradict each other: by their labels, unless `across_labels` is set, or
    because they `differ`."""
    left, right = rows[pair.left], rows[pair.right]
    if not params.across_labels and left["label"] != right["label"]:
        return True
    return differ(left, right)


def answer_conflicts(
    rows: Sequence[KeptRow], pairs: Sequence[Pair], differ: RowsDiffer, params: DedupeParams
) -> list[Pair]:
    """The pairs whose answers contradict each other: an answer is wrong, or the boundary between the two is
    soft. A pair is left out if a person has decided about both rows."""
    return [
        pair
        for pair in pairs
        if (rows[pair.left]["review"] is None or rows[pair.right]["review"] is None)
        and contradict(rows, pair, differ, params)
    ]


def contradicted(rows: Sequence[KeptRow], conflicts: Sequence[Pair]) -> list[Conflict]:
    """The rows of these pairs, each once, with the most similar row that contradicts it.

    Rows that pairs connect follow each other, the best row first, and have its id as `group`.
    """
    partners = partners_of(conflicts)
    groups = [
        sorted(members, key=lambda i: preference(rows[i]))
        for members in connected(len(rows), [(pair.left, pair.right) for pair in conflicts])
        if len(members) > 1
    ]
    groups.sort(key=lambda members: rows[members[0]]["id"])
    return [
        {
            "id": rows[i]["id"],
            "group": rows[members[0]]["id"],
            "conflict": nearest(i, nearest_pair(i, partners, rows), rows),
        }
        for members in groups
        for i in members
    ]
