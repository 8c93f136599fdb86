"""Groups of near-duplicates: which row stays, and why the others leave."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from promptstill.near.pairs import Pair
from promptstill.rows.identity import input_hash
from promptstill.rows.origin import origin
from stages.dedupe.groups import label_conflicts, represent, without_floods
from stages.dedupe.histogram import histogram
from tests.rows import deduped_row, kept_row


def pair(left: int, right: int) -> Pair:
    return Pair(left, right, 0.95, 0.8)


def test_the_best_row_of_a_group_stays() -> None:
    rows = [
        kept_row(0, agreement=0.5),
        kept_row(1),
        kept_row(2),
        kept_row(3, edited=True, agreement=0.5),
        kept_row(4),
    ]
    stay, removed = represent(rows, [pair(0, 1), pair(1, 2), pair(2, 3)])
    assert [row["id"] for row in stay] == ["row-003", "row-004"], "edited by a person leads"
    assert {row["removed_for"] for row in removed} == {"row-003"}
    assert {row["group"] for row in [*stay[:1], *removed]} == {"row-003"}
    stay, _ = represent(rows[:3], [pair(0, 1), pair(1, 2)])
    assert [row["id"] for row in stay] == ["row-001"], "then agreement, then the earliest"
    assert stay[0]["linked"] == [origin(rows[0]), origin(rows[2])]


def test_removed_rows_name_their_nearest_partner() -> None:
    pairs = [Pair(0, 1, 0.9, 0.5), Pair(1, 2, 0.99, 0.9)]
    stay, removed = represent([kept_row(0), kept_row(1), kept_row(2)], pairs)
    assert removed[0]["nearest"] == {"id": "row-002", "meaning": 0.99, "text": 0.9}
    assert removed[0]["removed_for"] == stay[0]["id"] == "row-000"


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=15), st.randoms())
def test_every_group_keeps_exactly_one_row_in_any_order(links: list[tuple[int, int]], random: Any) -> None:
    rows = [kept_row(i) for i in range(10)]
    pairs = [pair(min(a, b), max(a, b)) for a, b in links if a != b]
    stay, removed = represent(rows, pairs)
    assert len(stay) + len(removed) == len(rows)
    assert len({row["group"] for row in stay}) == len(stay)

    order = list(range(10))
    random.shuffle(order)
    place = {old: new for new, old in enumerate(order)}
    ends = [sorted((place[link.left], place[link.right])) for link in pairs]
    moved = [pair(left, right) for left, right in ends]
    again, _ = represent([rows[i] for i in order], moved)
    assert {row["id"] for row in again} == {row["id"] for row in stay}


def test_of_equally_good_rows_the_slice_that_needs_it_decides() -> None:
    rows = [
        kept_row(0),
        kept_row(1, slices=["code"]),
        kept_row(2),
        kept_row(3, slices=["code"], agreement=0.5),
        kept_row(4),
    ]
    rows[4]["slices"] = ["code"]
    pairs = [pair(0, 1), pair(2, 3)]

    def stays(**minimum: int) -> list[str]:
        return [row["id"] for row in represent(rows, pairs, minimum)[0]]

    assert stays() == stays(code=1) == ["row-000", "row-002", "row-004"], (
        "one row of the slice is kept anyway"
    )
    assert stays(code=2) == ["row-001", "row-002", "row-004"], "but never before agreement"


def test_a_source_may_not_flood() -> None:
    chat, mail = {"source": "chat"}, {"source": "email"}
    rows = [
        deduped_row(0, **chat, agreement=0.5),
        *(deduped_row(i, **chat) for i in (1, 2, 3)),
        deduped_row(4, **mail),
    ]
    loose = [pair(0, 1), pair(1, 2), pair(2, 3), pair(3, 4)]
    stay, left = without_floods(rows, loose, most=2)
    assert [row["id"] for row in stay] == ["row-001", "row-002", "row-004"], (
        "the best ones, other sources too"
    )
    assert [(row["id"], row["removed_for"], row["removed_because"]) for row in left] == [
        ("row-000", "row-001", "flooding"),
        ("row-003", "row-001", "flooding"),
    ]
    assert without_floods(rows, loose, most=4)[1] == []


def test_groups_with_different_labels_are_queued_for_review_with_all_their_members() -> None:
    rows = [
        kept_row(0),
        kept_row(1, label="blue", agreement=0.5),
        kept_row(2),
        kept_row(3),
        kept_row(4, label="blue"),
    ]
    pairs = [pair(0, 1), pair(3, 4)]
    stay, removed = represent(rows, pairs)
    queue = label_conflicts(removed, stay)
    assert [(entry["id"], entry["label"], entry["group"]) for entry in queue] == [
        ("row-000", "red", "row-000"),
        ("row-001", "blue", "row-000"),
        ("row-003", "red", "row-003"),
        ("row-004", "blue", "row-003"),
    ], "the least certain group first"
    assert all(entry["reasons"] == ["label_conflict"] for entry in queue)
    assert all(entry["input_hash"] == input_hash(entry["input"]) for entry in queue)
    rows[3] = kept_row(3, review="accept")
    assert {entry["group"] for entry in label_conflicts(*represent(rows, pairs)[::-1])} == {"row-000"}


def test_pairs_are_counted_by_both_similarities() -> None:
    pairs = [Pair(0, 1, 0.81, 0.42), Pair(0, 2, 0.84, 0.44), Pair(1, 2, 1.0, 1.0)]
    assert histogram(pairs) == [(0.8, 0.4, 2), (0.95, 0.95, 1)]
