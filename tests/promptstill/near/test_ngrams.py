"""Text overlap."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptstill.near.ngrams import (
    nearest_text_between,
    nearest_texts,
    similar_texts_between,
    text_overlap,
)


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
def test_text_overlap(left: str, right: str, low: float, high: float) -> None:
    assert low <= text_overlap(left, right) <= high
    assert text_overlap(left, right) == text_overlap(right, left)


words = st.lists(st.text(alphabet="abcé ", min_size=1, max_size=12), min_size=1, max_size=6)


@given(words, words)
def test_the_nearest_text_has_the_largest_overlap(left: list[str], right: list[str]) -> None:
    left, right = ["a" + text for text in left], ["b" + text for text in right]
    i, j, overlap = nearest_text_between(left, right)
    best = max(text_overlap(a, b) for a in left for b in right)
    assert overlap == pytest.approx(best, abs=1e-4)
    assert text_overlap(left[i], right[j]) == pytest.approx(best, abs=1e-4)


@given(words, words, st.floats(0.05, 1))
def test_similar_texts_are_all_pairs_that_reach_it(left: list[str], right: list[str], least: float) -> None:
    left, right = ["a" + text for text in left], ["b" + text for text in right]
    pairs = similar_texts_between(left, right, least)
    every = {(i, j): text_overlap(a, b) for i, a in enumerate(left) for j, b in enumerate(right)}
    assert {(i, j): pytest.approx(text) for i, j, text in pairs} == {
        pair: text for pair, text in every.items() if text >= least
    }


def test_nearest_text_is_that_of_all_pairs_and_the_first_of_equals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("promptstill.near.ngrams.BLOCK", 2)
    left = ["a blue kettle", "late parcel", "?!"]
    right = ["the parcel is late", "late parcel", "blue kettle", "a blue kettle", "late parcel"]
    overlaps = [[text_overlap(a, b) for b in right] for a in left]
    assert nearest_texts(left, right) == [(row.index(max(row)), max(row)) for row in overlaps]
    assert nearest_texts([], right) == []
