"""Near-duplicates: which rows stay, which leave for them, and what goes to review."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from promptstill.answers.schema.compare import value
from promptstill.near.pairs import Pair
from promptstill.rows.origin import origin
from promptstill.rows.row import KeptRow
from stages.dedupe.conflicts import answer_conflicts, contradicted
from stages.dedupe.groups import represent, without_floods
from stages.dedupe.histogram import histogram
from tests.params import dedupe_params
from tests.pipeline import dvc, git
from tests.project import with_pipeline, write
from tests.rows import deduped_row, kept_row

PARAMS = dedupe_params()
# The keys that are compared beside the label.


def other_urgency(left: KeptRow, right: KeptRow) -> bool:
    return bool(value(left["answer"], "urgent") != value(right["answer"], "urgent"))


def pair(left: int, right: int) -> Pair:
    return Pair(left, right, 0.95, 0.8)


def test_the_best_rows_stay_and_the_rows_near_them_leave() -> None:
    rows = [
        kept_row(0, agreement=0.5),
        kept_row(1),
        kept_row(2),
        kept_row(3, edited=True, agreement=0.5),
        kept_row(4),
    ]
    stay, removed = represent(rows, [pair(0, 3), pair(1, 3), pair(2, 3)], other_urgency, PARAMS)
    assert [row["id"] for row in stay] == ["row-003", "row-004"], "edited by a person leads"
    assert {row["removed_for"] for row in removed} == {"row-003"}
    assert {row["group"] for row in [*stay[:1], *removed]} == {"row-003"}
    stay, _ = represent(rows[:3], [pair(0, 1), pair(1, 2)], other_urgency, PARAMS)
    assert [row["id"] for row in stay] == ["row-001"], "then agreement, then the earliest"
    assert stay[0]["linked"] == [origin(rows[0]), origin(rows[2])]


def test_a_chain_of_pairs_removes_no_row_for_a_row_that_it_is_not_near() -> None:
    rows = [kept_row(i) for i in range(5)]
    stay, removed = represent(rows, [pair(i, i + 1) for i in range(4)], other_urgency, PARAMS)
    assert [row["id"] for row in stay] == ["row-000", "row-002", "row-004"]
    assert [row["removed_for"] for row in removed] == ["row-000", "row-002"]


def test_a_row_never_leaves_for_another_label_unless_answers_are_free_text() -> None:
    rows = [kept_row(0), kept_row(1, label="blue"), kept_row(2)]
    pairs = [Pair(0, 1, 0.99, 0.9), Pair(1, 2, 0.98, 0.9)]
    stay, removed = represent(rows, pairs, other_urgency, PARAMS)
    assert len(stay) == 3
    assert removed == []
    assert stay[0]["nearest"] == {"id": "row-001", "meaning": 0.99, "text": 0.9}
    stay, removed = represent(rows, pairs, other_urgency, dedupe_params(across_labels=True))
    assert [row["id"] for row in stay] == ["row-000", "row-002"]


def test_a_row_leaves_for_the_nearest_row_that_stays() -> None:
    # Row 2 leaves because of row 0, which is first, and row 1 stays too and is nearer.
    pairs = [Pair(0, 2, 0.9, 0.5), Pair(1, 2, 0.99, 0.9)]
    _, removed = represent([kept_row(0), kept_row(1), kept_row(2)], pairs, other_urgency, PARAMS)
    assert removed[0]["nearest"] == {"id": "row-001", "meaning": 0.99, "text": 0.9}
    assert removed[0]["removed_for"] == removed[0]["group"] == "row-001"


Links = list[tuple[int, int, int]]
LINKS = st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11), st.integers(0, 9)), max_size=30)


def twelve_rows() -> list[Any]:
    return [
        deduped_row(
            i,
            label="ab"[i * 5 % 2],
            answer={"label": "ab"[i * 5 % 2], "urgent": i % 4 > 1, "summary": f"text {i}"},
            agreement=(1.0, 0.5)[i % 3 == 0],
            slices=["xyz"[i % 3]],
        )
        for i in range(12)
    ]


def decided(row: Any) -> tuple[str, bool]:
    """What no near row may contradict."""
    return row["label"], row["answer"]["urgent"]


def pairs_of(links: Links) -> list[Pair]:
    ends = {(min(a, b), max(a, b)): 0.9 + c / 100 for a, b, c in links if a != b}
    return [Pair(left, right, cosine, 0.5) for (left, right), cosine in ends.items()]


@given(LINKS, st.randoms())
def test_the_rows_that_stay_cover_the_others_in_any_order(links: Links, random: Any) -> None:
    rows, pairs = twelve_rows(), pairs_of(links)
    stay, removed = represent(rows, pairs, other_urgency, PARAMS)
    assert len(stay) + len(removed) == len(rows)
    decision = {row["id"]: decided(row) for row in rows}
    near = {frozenset((rows[p.left]["id"], rows[p.right]["id"])) for p in pairs}
    kept = {row["id"] for row in stay}
    for row in removed:
        assert row["removed_for"] in kept
        assert decision[row["removed_for"]] == decided(row)
        assert row["removed_for"] == row["nearest"]["id"] == row["group"]
        assert frozenset((row["id"], row["removed_for"])) in near
    assert not [p for p in near if p <= kept and len({decision[row_id] for row_id in p}) == 1]
    against = {p for p in near if len({decision[row_id] for row_id in p}) == 2}
    conflicts = answer_conflicts(rows, pairs, other_urgency, PARAMS)
    assert {frozenset((rows[p.left]["id"], rows[p.right]["id"])) for p in conflicts} == against
    assert {entry["id"] for entry in contradicted(rows, conflicts)} == {name for p in against for name in p}
    linked = Counter(row["removed_for"] for row in removed)
    assert {row["id"]: len(row["linked"]) for row in stay} == {row_id: linked[row_id] for row_id in kept}

    order = list(range(len(rows)))
    random.shuffle(order)
    place = {old: new for new, old in enumerate(order)}
    moved = []
    for p in pairs:
        left, right = sorted((place[p.left], place[p.right]))
        moved.append(Pair(left, right, p.cosine, p.text_overlap))
    random.shuffle(moved)
    again = represent([rows[i] for i in order], moved, other_urgency, PARAMS)
    assert [described(part) for part in again] == [described(part) for part in (stay, removed)]


def described(rows: list[Any]) -> list[dict[str, Any]]:
    """The rows by id, and what each represents by id."""
    ordered = sorted(rows, key=lambda row: row["id"])
    return [{**row, "linked": sorted(map(str, row.get("linked", [])))} for row in ordered]


@given(LINKS, st.integers(1, 3), st.booleans())
def test_a_flood_leaves_only_beside_enough_better_rows_of_its_source(
    links: Links, most: int, two_sources: bool
) -> None:
    rows, pairs = twelve_rows(), pairs_of(links)
    for row in rows[::2] if two_sources else []:
        row["source"] = "elsewhere"
    stay, left = without_floods(rows, pairs, most, other_urgency, PARAMS)
    kept = {row["id"]: row for row in stay}
    assert len(kept) + len(left) == len(rows)
    for row in left:
        beside = [
            rows[b]["id"]
            for p in pairs
            for a, b in ((p.left, p.right), (p.right, p.left))
            if rows[a]["id"] == row["id"] and rows[b]["id"] in kept and rows[b]["source"] == row["source"]
            and decided(rows[b]) == decided(row)
        ]  # fmt: skip
        assert len(beside) >= most
        assert row["removed_for"] == row["nearest"]["id"]
        assert row["removed_for"] in beside


@given(LINKS, st.dictionaries(st.sampled_from("xyz"), st.integers(1, 5)))
def test_minimums_of_slices_never_cost_rows_that_slices_lack(links: Links, minimum: dict[str, int]) -> None:
    rows, pairs = twelve_rows(), pairs_of(links)

    def missing(params: Any) -> int:
        stay, _ = represent(rows, pairs, other_urgency, params)
        held = Counter(name for row in stay for name in row["slices"])
        return sum(max(0, least - held[name]) for name, least in minimum.items())

    assert missing(dedupe_params(slice_minimum=minimum)) <= missing(PARAMS)


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
        return [
            row["id"]
            for row in represent(rows, pairs, other_urgency, dedupe_params(slice_minimum=minimum))[0]
        ]

    assert stays() == stays(code=1) == ["row-000", "row-002", "row-004"], (
        "one row of the slice is kept anyway"
    )
    assert stays(code=2) == ["row-001", "row-002", "row-004"], "but never before agreement"


def test_a_source_may_not_flood_and_a_needy_slice_comes_first() -> None:
    chat, mail = {"source": "chat"}, {"source": "email"}
    rows = [
        deduped_row(0, **chat, agreement=0.5),
        *(deduped_row(i, **chat) for i in (1, 2, 3)),
        deduped_row(4, **mail),
        deduped_row(5, **chat, label="blue"),
    ]
    loose = [pair(a, b) for a in range(6) for b in range(a + 1, 6)]
    stay, left = without_floods(rows, loose, 2, other_urgency, PARAMS)
    assert [row["id"] for row in stay] == ["row-001", "row-002", "row-004", "row-005"], (
        "the best ones, other sources and labels too"
    )
    assert [(row["id"], row["removed_for"], row["removed_because"]) for row in left] == [
        ("row-000", "row-001", "flooding"),
        ("row-003", "row-001", "flooding"),
    ]
    assert without_floods(rows, loose, 4, other_urgency, PARAMS)[1] == []
    rows[3]["slices"] = ["code"]
    stay, _ = without_floods(rows, loose, 2, other_urgency, dedupe_params(slice_minimum={"code": 1}))
    assert [row["id"] for row in stay] == ["row-001", "row-003", "row-004", "row-005"]


def test_pairs_are_counted_by_both_similarities() -> None:
    pairs = [Pair(0, 1, 0.81, 0.42), Pair(0, 2, 0.84, 0.44), Pair(1, 2, 1.0, 1.0)]
    assert histogram(iter(pairs)) == [(0.8, 0.4, 2), (0.95, 0.95, 1)]


def test_the_plot_of_similarities_shows_how_many_pairs_there_are(project: Path) -> None:
    with_pipeline(project)
    write(project / "metrics/colour/similarities.csv", "meaning,text,pairs\n0.8,0.4,2\n0.95,0.95,1\n")
    git(project, "init", "-q")
    shown = dvc(project, "plots", "show", "metrics/colour/similarities.csv", "-o", "page")
    assert shown.returncode == 0, shown.stderr
    page = (project / "page/index.html").read_text()
    assert "toNumber(datum.pairs)" in page
    assert "colour: pairs by similarity of meaning and text" in page
