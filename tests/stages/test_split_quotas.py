"""split: shares of labels and hard slices, windows, sources, and quotas that are not met."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptstill.console.errors import UserError
from stages.split.assign import assign, check_quotas
from stages.split.links import links_of
from stages.split.quota import SPLITS
from tests.params import split_params
from tests.rows import rated_row
from tests.stages.split_rows import grown, split_of


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


def test_unmet_quotas_name_everything_that_is_missing() -> None:
    rows = [rated_row(i, label="red" if i else "blue") for i in range(20)]
    chosen = split_params(
        label_minimum={"train": 3, "validation": 0, "test": 1},
        hard_slices={"email_rows": {"fraction": 0.3, "minimum": 2}},
    )
    with pytest.raises(UserError) as raised:
        check_quotas(assign(rows, links_of(rows, []), chosen).parts, chosen, "colour")
    message = str(raised.value)
    assert "params.yaml: colour.split" in message
    assert "of 3 rows of blue" in message
    assert "test holds 0 of 2 rows of slice email_rows" in message


@settings(deadline=None)
@given(st.integers(0, 1000), st.integers(0, 30), st.integers(0, 6))
def test_quotas_are_met_or_it_is_an_error(seed: int, train: int, held_out: int) -> None:
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
    try:
        check_quotas(parts, chosen, "colour")
    except UserError:
        assert not met
    else:
        assert met
