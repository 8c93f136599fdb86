"""split: components stay together, and rows stay where they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptstill.console.errors import UserError
from promptstill.rows.origin import origin
from stages.split.assign import assign
from stages.split.links import links_of
from stages.split.pins import check_pins
from tests.params import split_params
from tests.rows import rated_row
from tests.stages.split_rows import grown, home_of, split_of

origins_of_rows = st.lists(
    st.tuples(st.sampled_from("abcdef"), st.sampled_from(["red", "blue"])), min_size=1, max_size=40
)


@given(origins_of_rows, st.integers(0, 5), st.sampled_from(["stratified", "time", "source"]))
def test_no_component_spans_two_splits_and_no_row_is_lost(
    origins: list[tuple[str, str]], seed: int, strategy: str
) -> None:
    rows = [rated_row(i, account=account, label=label) for i, (account, label) in enumerate(origins)]
    parts = split_of(
        rows,
        seed=seed,
        strategy=strategy,
        windows={"validation_from": "2026-03-01T05:00:00Z", "test_from": "2026-03-01T12:00:00Z"},
        sources={"validation": [], "test": ["chat"]},
    )
    assert sorted(row["id"] for part in parts.values() for row in part) == [row["id"] for row in rows]
    homes: dict[str, set[str]] = {}
    for name, part in parts.items():
        for row in part:
            homes.setdefault(str(row["account"]), set()).add(name)
            assert row["split"] == name
    assert all(len(names) == 1 for names in homes.values())


@given(st.integers(0, 1000), st.integers(1, 40))
def test_rows_that_come_later_move_no_row_but_by_a_link_that_is_reported(seed: int, more: int) -> None:
    rows = grown(seed, 90 + more)
    before = home_of(split_of(rows[:90]))
    placed = assign(rows, links_of(rows, []), split_params())
    after = home_of(placed.parts)
    late = {row["id"] for row in rows[90:]}
    moved: dict[str, str] = {}
    for move in placed.joins:
        if move["because"] in late and move["id"] in before:
            assert move["from"] == moved.get(move["id"], before[move["id"]])
            moved[move["id"]] = move["to"]
    assert after == after | before | moved


def test_a_link_that_joins_two_splits_is_reported_with_the_row_that_made_it() -> None:
    apart = [rated_row(i, account=f"a{i}") for i in range(60)]
    home = home_of(split_of(apart))
    first = next(row for row in apart if home[row["id"]] == "train")
    other = next(row for row in apart if home[row["id"]] == "test" and row["id"] > first["id"])
    joining = rated_row(60, account=first["account"], thread=None, repeats=[origin(other)])
    placed = assign([*apart, joining], links_of([*apart, joining], []), split_params())
    ends = {"from": "test", "to": "train", "because": joining["id"]}
    assert placed.joins == [{"id": other["id"]} | ends]
    assert placed.moves == [], "without a pin, nothing says that the row was elsewhere before"
    kept = assign([*apart, joining], links_of([*apart, joining], []), split_params(), home)
    assert kept.moves == placed.joins
    assert home_of(placed.parts) == home | {other["id"]: "train", joining["id"]: "train"}
    reasons = {row["id"]: row["split_reason"] for row in placed.parts["train"]}
    assert (reasons[first["id"]], reasons[other["id"]], reasons[joining["id"]]) == ("share", "link", "link")


@given(st.integers(0, 1000), st.randoms())
def test_pinned_rows_stay_whatever_vanishes_or_comes_early(seed: int, random: Any) -> None:
    rows = grown(seed, 120)
    released = random.sample(rows, 80)
    pins = home_of(split_of(sorted(released, key=lambda row: row["id"])))
    left = [row for row in rows if row not in released or random.random() < 0.7]
    placed = assign(left, links_of(left, []), split_params(), pins)
    assert {move["id"]: move["from"] for move in placed.moves}.items() <= pins.items()
    reported = {move["id"] for move in placed.moves}
    for name, part in placed.parts.items():
        for row in part:
            stays = pins.get(row["id"]) == name
            assert stays or row["id"] in reported or row["id"] not in pins
            assert (row["split_reason"] == "pinned") is stays


def test_pins_are_checked() -> None:
    where = Path("data/pinned/colour.jsonl")
    good = {"id": "a", "split": "test"}
    assert check_pins([(1, good)], where) == {"a": "test"}
    with pytest.raises(UserError, match=r"colour.jsonl:2: 'a' is pinned already"):
        check_pins([(1, good), (2, good)], where)
    with pytest.raises(UserError, match=r"colour.jsonl:1.split: input should be 'train', 'validation' or 't"):
        check_pins([(1, good | {"split": "tset"})], where)


@given(st.integers(0, 50), st.randoms())
def test_the_order_of_rows_does_not_matter(seed: int, random: Any) -> None:
    rows = grown(seed, 60)
    shuffled = random.sample(rows, len(rows))
    assert home_of(split_of(rows)) == home_of(split_of(shuffled))
