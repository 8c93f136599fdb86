"""split: shares of labels and hard slices, windows, sources, and quotas that are not met."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptstill.console.errors import UserError
from promptstill.rows.row import RatedRow, SplitName
from stages.split.assign import assign
from stages.split.hard_slices import RARE, rated
from stages.split.links import links_of
from stages.split.quota import SPLITS
from stages.split.shortfall import shortfall
from tests.params import split_params
from tests.rows import rated_row
from tests.stages.split_rows import grown, home_of, split_of


@pytest.mark.parametrize("seed", range(5))
def test_each_label_gives_every_split_its_share(seed: int) -> None:
    parts = split_of([rated_row(i, label=str(i % 4)) for i in range(400)], seed=seed)
    for label in "0123":
        counts = {name: sum(row["label"] == label for row in parts[name]) for name in SPLITS}
        assert abs(counts["test"] - 20) <= 1
        assert abs(counts["validation"] - 15) <= 1


@pytest.mark.parametrize("seed", range(5))
def test_new_components_make_up_for_the_rows_that_links_took_elsewhere(seed: int) -> None:
    rows = [
        rated_row(i, label=str(i % 2), account="one" if i % 4 == 0 else None if i % 8 else f"a{i}")
        for i in range(400)
    ]
    parts = split_of(rows, seed=seed, largest_component=1)
    linked = sum(row["account"] == "one" for row in parts["test"])
    assert linked in (0, 100)
    for label, expected in (("0", max(40, linked)), ("1", 40)):
        assert abs(sum(row["label"] == label for row in parts["test"]) - expected) <= 1


def test_another_seed_gives_another_split() -> None:
    rows = [rated_row(i, label=str(i % 4)) for i in range(100)]
    tests = {tuple(row["id"] for row in split_of(rows, seed=seed)["test"]) for seed in range(4)}
    assert len(tests) > 1


def test_test_is_the_latest_window_and_links_out_of_it_are_reported() -> None:
    rows = [rated_row(i, account="one" if i in (3, 90) else None) for i in range(96)]
    windows = {"validation_from": date(2026, 3, 2), "test_from": "2026-03-04T01:00:00+01:00"}
    parts = split_of(rows, strategy="time", windows=windows)
    assert [row["id"] for row in parts["validation"]] == [f"row-{i:03}" for i in range(24, 72)]
    assert [row["id"] for row in parts["test"]] == [f"row-{i:03}" for i in range(72, 96) if i != 90]
    assert {row["split_reason"] for row in parts["test"]} == {"window"}
    assert [row["id"] for row in parts["train"] if row["split_reason"] == "link"] == ["row-090"]
    with pytest.raises(UserError, match=r"here.windows: strategy time needs {validation_from"):
        split_params(strategy="time")
    with pytest.raises(UserError, match="not a date or an ISO 8601 time"):
        split_params(strategy="time", windows={"validation_from": "May", "test_from": "2026-03-04"})


def test_whole_sources_are_held_out() -> None:
    rows = [rated_row(i, source=("chat", "email", "phone")[i % 3]) for i in range(30)]
    parts = split_of(rows, strategy="source", sources={"validation": ["phone"], "test": ["email"]})
    assert {name: {row["source"] for row in part} for name, part in parts.items()} == {
        "train": {"chat"},
        "validation": {"phone"},
        "test": {"email"},
    }
    with pytest.raises(UserError, match=r"here.sources: strategy source needs {validation"):
        split_params(strategy="source")


def test_hard_slices_have_their_own_share_of_test() -> None:
    hard = {"email_rows": {"fraction": 0.5, "minimum": 1}, "other": {"fraction": None, "minimum": 0}}
    rows = [rated_row(i, hard=["email_rows", "other"] if i % 2 else []) for i in range(200)]
    parts = split_of(rows, hard_slices=hard)
    assert sum(bool(row["hard"]) for row in parts["test"]) == pytest.approx(50, abs=8)
    assert {row["split_reason"] for row in parts["test"] if row["hard"]} == {"slice email_rows"}


def test_a_hard_slice_may_have_a_smaller_share_than_test() -> None:
    hard = {"email_rows": {"fraction": 0.0, "minimum": 0}, "other": {"fraction": None, "minimum": 0}}
    rows = [rated_row(i, hard=["email_rows", "other"] if i % 2 else []) for i in range(200)]
    parts = split_of(rows, hard_slices=hard)
    assert [row["id"] for row in parts["test"] if row["hard"]] == []
    assert len(parts["test"]) == pytest.approx(20, abs=3)


@given(st.integers(0, 1000), st.integers(1, 40))
def test_the_share_of_rare_labels_lets_later_rows_move_no_row(seed: int, more: int) -> None:
    hard = {RARE: {"fraction": 0.5, "minimum": 0}}
    chosen = split_params(hard_slices=hard, rare_label=0.2)
    rows = [rated_row(i, label=str((i * i + seed) % 11 % 7)) for i in range(120 + more)]
    rows += [rated_row(i, label="flood") for i in range(120 + more, 160 + more)]

    def placed(rows: list[RatedRow]) -> dict[str, SplitName]:
        described = rated(rows, chosen, [], "colour")
        return home_of(assign(described, links_of(described, []), chosen).parts)

    before = placed(rows[:120])
    after = placed(rows)
    assert {name: after[name] for name in before} == before
    assert set(before.values()) == set(SPLITS)


def test_rows_are_ordered_by_time_and_not_by_the_text_of_the_time() -> None:
    times = ["2026-03-01T00:00:00.250000Z", "2026-03-01T00:00:00Z", "2026-03-01T00:00:01Z"]
    rows = [rated_row(i, timestamp=time, account="one") for i, time in enumerate(times)]
    assert {row["component"] for part in split_of(rows).values() for row in part} == {"row-001"}
    windows = {"validation_from": "2026-03-01T00:00:00.100Z", "test_from": "2026-03-01T00:00:00.500Z"}
    apart = [rated_row(i, timestamp=time) for i, time in enumerate(times)]
    homes = home_of(split_of(apart, strategy="time", windows=windows))
    assert homes == {"row-000": "validation", "row-001": "train", "row-002": "test"}


@given(st.integers(0, 1000), st.integers(0, 30), st.integers(0, 6))
def test_quotas_are_met_or_it_is_a_shortfall(seed: int, train: int, held_out: int) -> None:
    rows = grown(seed, 80)
    chosen = split_params(
        label_minimum={"train": train, "validation": held_out // 2, "test": held_out},
        hard_slices={"email_rows": {"fraction": 0.3, "minimum": held_out}},
    )
    parts = assign(rows, links_of(rows, []), chosen).parts
    met = (
        all(
            sum(row["label"] == label for row in parts[name]) >= least
            for name, least in zip(SPLITS, chosen.label_minimum.model_dump().values(), strict=True)
            for label in {row["label"] for row in rows}
        )
        and sum("email_rows" in row["hard"] for row in parts["test"]) >= held_out
        and all(parts.values())
    )
    assert bool(shortfall(parts, chosen, sorted({row["label"] for row in rows}))) is not met
