from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.shared.errors import UserError
from stages.shared.similarity import Pair
from stages.split.assign import SPLITS, assign, check_quotas, random_split
from stages.split.certificate import Part, leak_certificate, leaks
from stages.split.components import check_giant, components
from stages.split.params import SplitParams
from stages.split.quarantine import quarantine
from tests.project import params, row


def split_params(**changes: Any) -> SplitParams:
    return SplitParams.check(params()["split"] | changes, "here")


def deduped(number: int, **changes: Any) -> dict[str, Any]:
    fixed = {"repeats": [], "linked": [], "slices": [], "label": "red", "group": f"row-{number:03}"}
    return row(number) | {"account": None} | fixed | changes


def test_components_follow_accounts_threads_repeats_groups_and_nearness() -> None:
    rows = [
        deduped(0, account="a"),
        deduped(1, account="a", thread="t"),
        deduped(2, thread="t"),
        deduped(3, repeats=[{"account": "b", "thread": None}]),
        deduped(4, account="b"),
        deduped(5, linked=[{"account": "c", "thread": None}]),
        deduped(6, account="c"),
        deduped(7),
        deduped(8),
        deduped(9),
    ]
    assert components(rows, [Pair(7, 8, 0.9, 0.5)]) == [[0, 1, 2], [3, 4], [5, 6], [7, 8], [9]]


def test_a_giant_component_is_an_error_that_names_its_link() -> None:
    rows = [deduped(i, account="shop", thread=f"t{i // 2}") for i in range(10)]
    members = components(rows, [])
    check_giant(members, rows, [], 1.0, "colour")
    with pytest.raises(UserError) as told:
        check_giant(members, rows, [], 0.4, "colour")
    assert "one component holds 10 of 10 rows, more than 40%" in str(told.value)
    assert "without links by account the largest would hold 2" in str(told.value)
    assert "set it to null in the traffic" in str(told.value)

    chain = [Pair(i, i + 1, 0.9, 0.5) for i in range(9)]
    rows = [deduped(i) for i in range(10)]
    with pytest.raises(UserError, match=r"without links by near the largest would hold 1; raise split.link"):
        check_giant(components(rows, chain), rows, chain, 0.4, "colour")


def test_a_random_split_of_the_same_rows_leaks_and_the_certificate_shows_it() -> None:
    rows = [deduped(i, account=f"a{i // 3}", component=f"row-{i // 3 * 3:03}") for i in range(60)]
    parts = {"train": rows[:42], "validation": rows[42:48], "test": rows[48:]}
    drawn = random_split(parts, seed=1)
    assert {name: len(part) for name, part in drawn.items()} == {
        name: len(part) for name, part in parts.items()
    }
    assert sorted(one["id"] for part in drawn.values() for one in part) == [one["id"] for one in rows]
    assert random_split(parts, seed=1) == drawn

    def shared(split: dict[str, list[dict[str, Any]]]) -> int:
        vectors = np.eye(2, dtype=np.float32)[[0]]
        measured = [Part(name, part, np.repeat(vectors, len(part), axis=0)) for name, part in split.items()]
        return sum(found["shared_keys"] for found in leak_certificate(measured).values())

    assert shared(parts) == 0
    assert shared(drawn) > 10


origins_of_rows = st.lists(
    st.tuples(st.sampled_from("abcdef"), st.sampled_from(["red", "blue"])), min_size=1, max_size=40
)


@given(origins_of_rows, st.integers(0, 5))
def test_no_component_spans_two_splits_and_no_row_is_lost(origins: list[tuple[str, str]], seed: int) -> None:
    rows = [deduped(i, account=account, label=label) for i, (account, label) in enumerate(origins)]
    parts = assign(rows, components(rows, []), split_params(seed=seed))
    assert sorted(one["id"] for part in parts.values() for one in part) == [one["id"] for one in rows]
    homes: dict[str, set[str]] = {}
    for name, part in parts.items():
        for one in part:
            homes.setdefault(one["account"], set()).add(name)
    assert all(len(names) == 1 for names in homes.values())


@settings(deadline=None)
@given(st.integers(0, 1000), st.integers(1, 30))
def test_rows_that_come_later_move_no_row(seed: int, more: int) -> None:
    random = np.random.default_rng(seed)
    rows = [
        deduped(
            i,
            account=f"a{random.integers(40)}",
            label=str(random.integers(3)),
            slices=["email_rows"][: random.integers(2)],
        )
        for i in range(90 + more)
    ]
    chosen = split_params()
    before = assign(rows[:90], components(rows[:90], []), chosen)
    after = assign(rows, components(rows, []), chosen)
    home = {one["id"]: name for name, part in after.items() for one in part}
    assert all(home[one["id"]] == name for name, part in before.items() for one in part)


def test_the_order_of_rows_does_not_matter() -> None:
    rows = [deduped(i, account=f"a{i % 30}") for i in range(90)]
    back = rows[::-1]
    forth = assign(rows, components(rows, []), split_params())
    assert {name: {one["id"] for one in part} for name, part in forth.items()} == {
        name: {one["id"] for one in part}
        for name, part in assign(back, components(back, []), split_params()).items()
    }


@pytest.mark.parametrize("seed", range(5))
def test_each_label_gives_every_split_its_share(seed: int) -> None:
    rows = [deduped(i, label=str(i % 4)) for i in range(400)]
    parts = assign(rows, components(rows, []), split_params(seed=seed))
    for label in "0123":
        counts = {name: sum(one["label"] == label for one in parts[name]) for name in SPLITS}
        assert abs(counts["test"] - 20) <= 1
        assert abs(counts["validation"] - 15) <= 1


def test_another_seed_draws_another_split() -> None:
    rows = [deduped(i, label=str(i % 4)) for i in range(100)]
    tests = {
        tuple(one["id"] for one in assign(rows, components(rows, []), split_params(seed=seed))["test"])
        for seed in range(4)
    }
    assert len(tests) > 1


def test_hard_slices_have_their_own_share_of_test() -> None:
    hard = {"email_rows": {"fraction": 0.5, "minimum": 1}}
    rows = [deduped(i, slices=["email_rows"] if i % 2 else []) for i in range(200)]
    parts = assign(rows, components(rows, []), split_params(hard_slices=hard))
    assert sum(bool(one["slices"]) for one in parts["test"]) == pytest.approx(50, abs=8)


def test_unmet_quotas_name_everything_that_is_missing() -> None:
    rows = [deduped(i, label="red" if i else "blue") for i in range(20)]
    chosen = split_params(
        label_minimum={"train": 3, "validation": 0, "test": 1},
        hard_slices={"email_rows": {"fraction": 0.3, "minimum": 2}},
    )
    parts = assign(rows, components(rows, []), chosen)
    with pytest.raises(UserError) as told:
        check_quotas(parts, chosen, "colour")
    message = str(told.value)
    assert "params.yaml: colour.split" in message
    assert "of 3 rows of blue" in message
    assert "test holds 0 of 2 rows of slice email_rows" in message


def test_rows_near_a_golden_case_leave() -> None:
    rows = [deduped(0, input="exactly  this"), deduped(1), deduped(2), deduped(3)]
    golden = [{"id": "g0", "input": "exactly this"}, {"id": "g1", "input": "y"}]
    stay, left = quarantine(rows, golden, [Pair(2, 1, 0.9, 0.5), Pair(2, 0, 0.8, 0.5)])
    assert stay == [1, 3]
    assert [(one["id"], one["quarantined_for"]["id"]) for one in left] == [
        ("row-000", "g0"),
        ("row-002", "g1"),
    ]


def part(name: str, rows: list[dict[str, Any]]) -> Part:
    placed = [one | {"component": one["id"]} for one in rows]
    return Part(name, placed, np.eye(8, dtype=np.float32)[: len(rows)])


def test_the_certificate_finds_what_two_splits_share() -> None:
    sound = [part("train", [deduped(0, account="a")]), part("test", [deduped(1, account="b")])]
    assert leaks(leak_certificate(sound)) == []
    leaking = [
        part("train", [deduped(0, account="a")]),
        part("test", [deduped(1, account="a", group="row-000")]),
    ]
    certificate = leak_certificate(leaking)
    assert leaks(certificate) == ["train/test share 2 keys"]
    nearest = certificate["train/test"]["nearest_meaning"]
    assert nearest["similarity"] == 1.0
    assert nearest["train"]["id"] == "row-000"
    assert nearest["test"]["id"] == "row-001"
