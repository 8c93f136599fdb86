"""Near pairs in, the rows that stay and the rows that leave out."""

from __future__ import annotations

from collections import defaultdict

from promptstill.near.pairs import Pair
from promptstill.rows.origin import origin
from promptstill.rows.row import DedupedRow, FloodedRow, KeptRow, Origin, RemovedRow
from stages.dedupe.cited import RowsDiffer
from stages.dedupe.conflicts import contradict
from stages.dedupe.cover import cover, leaving, nearest, nearest_pair, partners_of
from stages.dedupe.params import DedupeParams


def represent(
    rows: list[KeptRow], pairs: list[Pair], differ: RowsDiffer, params: DedupeParams
) -> tuple[list[DedupedRow], list[RemovedRow]]:
    """Split rows into representatives, which stay, and their near-duplicates, which leave; both in the order
    given.

    A row leaves only for a row that it is near to and does not contradict, the nearest such row that stays.
    `differ` compares answers beside the label. A row that stays gets its own id as
    `group`, its most similar partner as `nearest`, and the origins of the rows that it represents as
    `linked`. A row that leaves gets the row that it left for as `group`, `nearest` and `removed_for`.
    """
    partners = partners_of(pairs)
    alike = partners_of(pair for pair in pairs if not contradict(rows, pair, differ, params))
    stay = cover(rows, alike, 1, params.slice_minimum)
    left = leaving(rows, alike, stay)
    represented: dict[int, list[Origin]] = defaultdict(list)
    for i, (best, _) in left.items():
        represented[best].append(origin(rows[i]))
    kept: list[DedupedRow] = [
        {
            **row,
            "group": row["id"],
            "nearest": nearest(i, nearest_pair(i, partners, rows), rows),
            "linked": represented[i],
        }
        for i, row in enumerate(rows)
        if i in stay
    ]
    removed: list[RemovedRow] = [
        {
            **rows[i],
            "group": rows[best]["id"],
            "nearest": near,
            "removed_for": rows[best]["id"],
            "removed_because": "near_duplicate",
        }
        for i, (best, near) in left.items()
    ]
    return kept, removed


def without_floods(
    rows: list[DedupedRow], pairs: list[Pair], most: int, differ: RowsDiffer, params: DedupeParams
) -> tuple[list[DedupedRow], list[FloodedRow]]:
    """Limit paraphrases per source: rows that stay, and rows that leave; both in the order given.

    `pairs` reach thresholds that are looser than those of near-duplicates. A row leaves if `most` better rows
    near it, with its source and no other answer, stay. It gets the nearest of them as `nearest` and
    `removed_for`.
    """
    partners = partners_of(
        pair
        for pair in pairs
        if rows[pair.left]["source"] == rows[pair.right]["source"]
        and not contradict(rows, pair, differ, params)
    )
    stay = cover(rows, partners, most, params.slice_minimum)
    left: list[FloodedRow] = [
        {**rows[i], "nearest": near, "removed_for": rows[best]["id"], "removed_because": "flooding"}
        for i, (best, near) in leaving(rows, partners, stay).items()
    ]
    return [row for i, row in enumerate(rows) if i in stay], left
