from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.shared.errors import UserError
from stages.shared.origin import origin
from stages.shared.similarity import Pair
from stages.split import certificate
from stages.split.assign import SPLITS, assign, check_quotas, random_split
from stages.split.certificate import Part, leak_certificate, leaks
from stages.split.hard import with_difficulty
from stages.split.links import check_giant, components, links_of
from stages.split.params import SplitParams
from stages.split.pins import check_pins
from stages.split.quarantine import quarantine
from stages.train.refuse import refuse_unseen
from tests.conftest import Run
from tests.project import params, read_lines, row, write_lines


def split_params(**changes: Any) -> SplitParams:
    return SplitParams.check(params()["split"] | changes, "here")


def deduped(number: int, **changes: Any) -> dict[str, Any]:
    made = row(number) | {"account": None, "document": None, "translation_group": None}
    made |= {"repeats": [], "linked": [], "slices": [], "hard": [], "group": f"row-{number:03}"}
    return made | {"label": "red", "agreement": 1.0, "confidence": None} | changes


def split_of(rows: list[dict[str, Any]], **changes: Any) -> dict[str, list[dict[str, Any]]]:
    return assign(rows, links_of(rows, []), split_params(**changes)).parts


def home_of(parts: dict[str, list[dict[str, Any]]]) -> dict[str, str]:
    return {one["id"]: name for name, part in parts.items() for one in part}


def test_components_follow_every_origin_repeats_groups_and_nearness() -> None:
    rows = [
        deduped(0, account="a"),
        deduped(1, account="a", thread="t"),
        deduped(2, thread="t"),
        deduped(3, repeats=[origin(deduped(0, account="b"))]),
        deduped(4, account="b"),
        deduped(5, linked=[origin(deduped(0, account="c"))]),
        deduped(6, account="c"),
        deduped(7),
        deduped(8),
        deduped(9, document="d"),
        deduped(10, document="d", translation_group="x"),
        deduped(11, translation_group="x"),
        deduped(12, document="x"),
    ]
    links = links_of(rows, [Pair(8, 7, 0.9, 0.5)])
    assert components(len(rows), links) == [[0, 1, 2], [3, 4], [5, 6], [7, 8], [9, 10, 11], [12]]
    assert links["near"] == [(7, 8)], "the earlier one first"


def test_a_giant_component_is_an_error_that_names_its_link() -> None:
    rows = [deduped(i, account="shop", thread=f"t{i // 2}") for i in range(10)]
    links = links_of(rows, [])
    check_giant(rows, links, 1.0, "colour")
    with pytest.raises(UserError) as told:
        check_giant(rows, links, 0.4, "colour")
    assert "one component holds 10 of 10 rows, more than 40%" in str(told.value)
    assert "without links by account the largest would hold 2" in str(told.value)
    assert "set it to null in the traffic" in str(told.value)

    chain = [Pair(i, i + 1, 0.9, 0.5) for i in range(9)]
    rows = [deduped(i) for i in range(10)]
    with pytest.raises(UserError, match=r"without links by near the largest would hold 1; raise split.link"):
        check_giant(rows, links_of(rows, chain), 0.4, "colour")


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
        return sum(found["shared_keys"] for found in leak_certificate(measured, set()).values())

    assert shared(parts) == 0
    assert shared(drawn) > 10


origins_of_rows = st.lists(
    st.tuples(st.sampled_from("abcdef"), st.sampled_from(["red", "blue"])), min_size=1, max_size=40
)


@given(origins_of_rows, st.integers(0, 5), st.sampled_from(["stratified", "time", "source"]))
def test_no_component_spans_two_splits_and_no_row_is_lost(
    origins: list[tuple[str, str]], seed: int, strategy: str
) -> None:
    rows = [deduped(i, account=account, label=label) for i, (account, label) in enumerate(origins)]
    parts = split_of(
        rows,
        seed=seed,
        strategy=strategy,
        windows={"validation_from": "2026-03-01T05:00:00Z", "test_from": "2026-03-01T12:00:00Z"},
        sources={"validation": [], "test": ["chat"]},
    )
    assert sorted(one["id"] for part in parts.values() for one in part) == [one["id"] for one in rows]
    homes: dict[str, set[str]] = {}
    for name, part in parts.items():
        for one in part:
            homes.setdefault(one["account"], set()).add(name)
            assert one["split"] == name
    assert all(len(names) == 1 for names in homes.values())


def grown(seed: int, count: int) -> list[dict[str, Any]]:
    """Rows that threads link, and accounts too: late rows join components that were apart."""
    random = np.random.default_rng(seed)
    return [
        deduped(
            i,
            account=f"a{random.integers(60)}" if random.integers(2) else None,
            thread=f"t{random.integers(60)}" if random.integers(2) else None,
            label=str(random.integers(3)),
            hard=["email_rows"][: random.integers(2)],
        )
        for i in range(count)
    ]


@settings(deadline=None)
@given(st.integers(0, 1000), st.integers(1, 40))
def test_rows_that_come_later_move_no_row_but_by_a_link_that_is_reported(seed: int, more: int) -> None:
    rows = grown(seed, 90 + more)
    before = home_of(split_of(rows[:90]))
    placed = assign(rows, links_of(rows, []), split_params())
    after = home_of(placed.parts)
    late = {one["id"] for one in rows[90:]}
    moved: dict[str, str] = {}
    for move in placed.moves:
        if move["because"] in late and move["id"] in before:
            assert move["from"] == moved.get(move["id"], before[move["id"]])
            moved[move["id"]] = move["to"]
    assert after == after | before | moved


def test_a_link_that_joins_two_splits_is_reported_with_the_row_that_made_it() -> None:
    apart = [deduped(i, account=f"a{i}") for i in range(60)]
    home = home_of(split_of(apart))
    first = next(one for one in apart if home[one["id"]] == "train")
    other = next(one for one in apart if home[one["id"]] == "test" and one["id"] > first["id"])
    joining = deduped(60, account=first["account"], thread=None, repeats=[origin(other)])
    placed = assign([*apart, joining], links_of([*apart, joining], []), split_params())
    ends = {"from": "test", "to": "train", "because": joining["id"]}
    assert placed.moves == [{"id": other["id"], "pinned": False} | ends]
    assert home_of(placed.parts) == home | {other["id"]: "train", joining["id"]: "train"}
    reasons = {one["id"]: one["split_reason"] for one in placed.parts["train"]}
    assert (reasons[first["id"]], reasons[other["id"]], reasons[joining["id"]]) == ("share", "link", "link")


@settings(deadline=None)
@given(st.integers(0, 1000), st.randoms())
def test_pinned_rows_stay_whatever_vanishes_or_comes_early(seed: int, random: Any) -> None:
    rows = grown(seed, 120)
    released = random.sample(rows, 80)
    pins = home_of(split_of(sorted(released, key=lambda one: one["id"])))
    left = [one for one in rows if one not in released or random.random() < 0.7]
    placed = assign(left, links_of(left, []), split_params(), pins)
    told = {move["id"] for move in placed.moves if move["pinned"]}
    for name, part in placed.parts.items():
        for one in part:
            stays = pins.get(one["id"]) == name
            assert stays or one["id"] in told or one["id"] not in pins
            assert (one["split_reason"] == "pinned") is stays


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


@pytest.mark.parametrize("seed", range(5))
def test_each_label_gives_every_split_its_share(seed: int) -> None:
    parts = split_of([deduped(i, label=str(i % 4)) for i in range(400)], seed=seed)
    for label in "0123":
        counts = {name: sum(one["label"] == label for one in parts[name]) for name in SPLITS}
        assert abs(counts["test"] - 20) <= 1
        assert abs(counts["validation"] - 15) <= 1


@pytest.mark.parametrize("seed", range(5))
def test_new_components_make_up_for_the_rows_that_links_took_elsewhere(seed: int) -> None:
    rows = [
        deduped(i, label=str(i % 2), account="one" if i % 4 == 0 else None if i % 8 else f"a{i}")
        for i in range(400)
    ]
    parts = split_of(rows, seed=seed, largest_component=1)
    linked = sum(one["account"] == "one" for one in parts["test"])
    assert linked in (0, 100)
    for label, expected in (("0", max(40, linked)), ("1", 40)):
        assert abs(sum(one["label"] == label for one in parts["test"]) - expected) <= 1


def test_another_seed_draws_another_split() -> None:
    rows = [deduped(i, label=str(i % 4)) for i in range(100)]
    tests = {tuple(one["id"] for one in split_of(rows, seed=seed)["test"]) for seed in range(4)}
    assert len(tests) > 1


def test_test_is_the_latest_window_and_links_out_of_it_are_told() -> None:
    rows = [deduped(i, account="one" if i in (3, 90) else None) for i in range(96)]
    windows = {"validation_from": date(2026, 3, 2), "test_from": "2026-03-04T01:00:00+01:00"}
    parts = split_of(rows, strategy="time", windows=windows)
    assert [one["id"] for one in parts["validation"]] == [f"row-{i:03}" for i in range(24, 72)]
    assert [one["id"] for one in parts["test"]] == [f"row-{i:03}" for i in range(72, 96) if i != 90]
    assert {one["split_reason"] for one in parts["test"]} == {"window"}
    assert [one["id"] for one in parts["train"] if one["split_reason"] == "link"] == ["row-090"]
    with pytest.raises(UserError, match=r"here.windows: strategy time needs {validation_from"):
        split_params(strategy="time")
    with pytest.raises(UserError, match="not a date or an ISO 8601 time"):
        split_params(strategy="time", windows={"validation_from": "May", "test_from": "2026-03-04"})


def test_whole_sources_are_held_out() -> None:
    rows = [deduped(i, source=("chat", "email", "phone")[i % 3]) for i in range(30)]
    parts = split_of(rows, strategy="source", sources={"validation": ["phone"], "test": ["email"]})
    assert {name: {one["source"] for one in part} for name, part in parts.items()} == {
        "train": {"chat"},
        "validation": {"phone"},
        "test": {"email"},
    }
    with pytest.raises(UserError, match=r"here.sources: strategy source needs {validation"):
        split_params(strategy="source")


def test_hard_slices_have_their_own_share_of_test() -> None:
    hard = {"email_rows": {"fraction": 0.5, "minimum": 1}, "other": {"fraction": None, "minimum": 0}}
    rows = [deduped(i, hard=["email_rows", "other"] if i % 2 else []) for i in range(200)]
    parts = split_of(rows, hard_slices=hard)
    assert sum(bool(one["hard"]) for one in parts["test"]) == pytest.approx(50, abs=8)
    assert {one["split_reason"] for one in parts["test"] if one["hard"]} == {"slice email_rows"}


def test_hard_slices_are_those_of_the_file_and_those_that_need_the_answer() -> None:
    names = ("email_rows", "empty", "rare_label", "ambiguous", "must_abstain")
    hard = {name: {"fraction": None, "minimum": 0} for name in names}
    chosen = split_params(hard_slices=hard, rare_label=0.2, unsure=0.5, abstain=["none"])
    rows = [deduped(i) for i in range(8)]
    rows[0] |= {"slices": ["email_rows"]}
    rows[1] |= {"input": " ?! \n"}
    rows[2] |= {"label": "none"}
    rows[3] |= {"agreement": 0.5}
    rows[4] |= {"confidence": 0.4}
    described = with_difficulty(rows, chosen, ["email_rows"], "colour")
    assert [one["hard"] for one in described] == [
        ["email_rows"], ["empty"], ["rare_label", "must_abstain"], ["ambiguous"], ["ambiguous"], [], [], [],
    ]  # fmt: skip
    assert all(0 <= one["difficulty"] <= 1 for one in described)
    assert max(one["difficulty"] for one in described[5:]) < min(one["difficulty"] for one in described[:5])
    assert described[3]["difficulty"] == pytest.approx(described[0]["difficulty"] + 0.5 / 3, abs=0.03)
    with pytest.raises(UserError, match=r"colour.split.hard_slices.ambigous: neither .*did you mean ambig"):
        with_difficulty(rows, split_params(hard_slices={"ambigous": hard["empty"]}), ["email_rows"], "colour")


def test_unmet_quotas_name_everything_that_is_missing() -> None:
    rows = [deduped(i, label="red" if i else "blue") for i in range(20)]
    chosen = split_params(
        label_minimum={"train": 3, "validation": 0, "test": 1},
        hard_slices={"email_rows": {"fraction": 0.3, "minimum": 2}},
    )
    with pytest.raises(UserError) as told:
        check_quotas(assign(rows, links_of(rows, []), chosen).parts, chosen, "colour")
    message = str(told.value)
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
            sum(one["label"] == label for one in parts[name]) >= least
            for name, least in chosen.label_minimum.model_dump().items()
            for label in {one["label"] for one in rows}
        )
        and sum("email_rows" in one["hard"] for one in parts["test"]) >= held_out
        and all(parts.values())
    )
    try:
        check_quotas(parts, chosen, "colour")
    except UserError:
        assert not met
    else:
        assert met


def test_rows_near_a_golden_case_leave_for_the_strongest_reason() -> None:
    rows = [deduped(0, input="exactly  this"), deduped(1), deduped(2), deduped(3), deduped(4)]
    golden = [{"id": "g0", "input": "exactly this"}, {"id": "g1", "input": "y"}]
    near = [Pair(2, 1, 0.9, 0.5), Pair(2, 0, 0.8, 0.5)]
    stay, left = quarantine(rows, golden, near, [(2, 0, 0.99), (4, 1, 0.8)])
    assert stay == [1, 3]
    assert [(one["id"], one["quarantined_for"]["id"]) for one in left] == [
        ("row-000", "g0"),
        ("row-002", "g1"),
        ("row-004", "g1"),
    ]
    assert [one["quarantined_for"]["because"] for one in left] == ["exact", "near", "text"]


def part(name: str, rows: list[dict[str, Any]]) -> Part:
    placed = [one | {"component": one["id"]} for one in rows]
    return Part(name, placed, np.eye(8, dtype=np.float32)[: len(rows)])


def test_the_certificate_finds_what_two_splits_share() -> None:
    sound = [part("train", [deduped(0, account="a")]), part("test", [deduped(1, account="b")])]
    assert leaks(leak_certificate(sound, set())) == []
    assert leaks(leak_certificate(sound, {("row-001", "row-000")})) == [
        "train/test share 0 keys and 1 near pairs"
    ]
    leaking = [
        part("train", [deduped(0, account="a")]),
        part("test", [deduped(1, account="a", group="row-000")]),
    ]
    found = leak_certificate(leaking, {("row-000", "row-000")})
    assert leaks(found) == ["train/test share 2 keys and 0 near pairs"]
    nearest = found["train/test"]["nearest_meaning"]
    assert nearest["similarity"] == 1.0
    assert nearest["train"]["id"] == "row-000"
    assert nearest["test"]["id"] == "row-001"


def test_of_many_texts_an_even_sample_is_compared_and_the_certificate_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    parts = [
        part("train", [deduped(i, account=None) for i in range(7)]),
        part("test", [deduped(i) for i in range(10, 12)]),
    ]
    whole = leak_certificate(parts, set())["train/test"]
    assert "texts_compared" not in whole
    monkeypatch.setattr(certificate, "TEXTS", 3)
    sampled = leak_certificate(parts, set())["train/test"]
    assert sampled["texts_compared"] == {"train": 3, "test": 2}
    assert sampled["nearest_meaning"] == whole["nearest_meaning"]
    assert sampled["nearest_text"]["train"]["id"] in {"row-000", "row-003", "row-006"}
    assert sampled["nearest_text"]["similarity"] <= whole["nearest_text"]["similarity"]


def test_what_must_stay_unseen_is_refused_by_id_and_by_text() -> None:
    golden, quarantined = {"id": "g", "input": "a  b"}, {"id": "q", "input": "c"}
    path = Path("train.jsonl")
    refuse_unseen([deduped(0), deduped(1)], [golden, quarantined], path)
    for row_id, text in (("new", "a b"), ("q", "something else"), ("new", "c")):
        with pytest.raises(UserError, match=r"train.jsonl: row .* of the golden set or the quarantine"):
            refuse_unseen([deduped(0), deduped(1, id=row_id, input=text)], [golden, quarantined], path)


def test_pinning_adds_what_is_new_and_keeps_what_has_left(project: Path, run: Run) -> None:
    for name, ids in {"train": "ab", "validation": "c", "test": "d"}.items():
        write_lines(project / f"data/split/colour/{name}.jsonl", [{"id": one} for one in ids])
    pinned = project / "data/pinned/colour.jsonl"
    write_lines(pinned, [{"id": "a", "split": "test"}, {"id": "z", "split": "test"}])
    told = run("tools.cli", "pin", "colour", cwd=project)
    assert told.returncode == 0, told.stderr
    assert "4 rows of this dataset pinned, 3 of them new, 1 moved" in told.stdout
    assert [tuple(one.values()) for one in read_lines(pinned)] == [
        ("a", "train"),
        ("b", "train"),
        ("c", "validation"),
        ("d", "test"),
        ("z", "test"),
    ]
