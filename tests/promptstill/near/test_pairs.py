"""Pairs: every pair that reaches both thresholds, and no other."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptstill.near.pairs import near_pairs, near_pairs_between, nearest_between
from tests.promptstill.near.vectors import cosine_pairs, unit


@settings(max_examples=40)
@given(st.integers(2, 60), st.integers(1, 70), st.integers(0, 1000), st.floats(-0.5, 0.9), st.randoms())
def test_neither_blocks_nor_the_order_of_rows_change_a_pair(
    count: int, block: int, seed: int, threshold: float, shuffle: Random
) -> None:
    vectors = unit(count, 4, seed)
    left, right, cosine = cosine_pairs(vectors, None, threshold)
    order = list(range(count))
    shuffle.shuffle(order)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("promptstill.near.pairs.BLOCK", block)
        patch.setattr("promptstill.near.pairs.DECIDED_AT_ONCE", 7)
        a, b, other = cosine_pairs(vectors[order], None, threshold)
    back = {frozenset((order[i], order[j])): c for i, j, c in zip(a, b, other, strict=True)}
    assert back == {
        frozenset((i, j)): c for i, j, c in zip(left.tolist(), right.tolist(), cosine, strict=True)
    }


def test_a_pair_at_the_threshold_to_the_last_bit_is_decided_in_double_precision() -> None:
    vectors = unit(400, 384, 1)
    exact = vectors.astype(np.float64)
    cosine = float((exact[3] * exact[7]).sum())
    for threshold, expected in ((cosine, True), (np.nextafter(cosine, 1), False)):
        left, right, _ = cosine_pairs(vectors, None, threshold)
        assert ((3, 7) in set(zip(left.tolist(), right.tolist(), strict=True))) is expected


@settings(max_examples=30)
@given(st.integers(2, 60), st.integers(0, 1000), st.floats(-0.5, 0.9))
def test_pairs_are_those_of_the_plain_double_loop(count: int, seed: int, threshold: float) -> None:
    vectors = unit(count, 4, seed)
    texts = ["same"] * count
    pairs = {(pair.left, pair.right) for pair in near_pairs(vectors, texts, threshold, 0.5)}
    cosine = vectors.astype(np.float64) @ vectors.astype(np.float64).T
    sure = {(i, j) for i in range(count) for j in range(i + 1, count) if cosine[i, j] >= threshold + 1e-6}
    possible = {(i, j) for i in range(count) for j in range(i + 1, count) if cosine[i, j] >= threshold - 1e-6}
    assert sure <= pairs <= possible


def test_blocks_do_not_change_the_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    left, right = unit(50, 4, 1), unit(30, 4, 2)
    texts = ["same"] * 50
    whole = near_pairs(left, texts, 0.8, 0.5), near_pairs_between(left, right, texts, texts[:30], 0.8, 0.5)
    nearest = nearest_between(left, right)
    monkeypatch.setattr("promptstill.near.pairs.BLOCK", 7)
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
