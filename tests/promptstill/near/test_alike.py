"""Pairs of texts that are alike by their n-grams, whatever they mean."""

from __future__ import annotations

import tracemalloc
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptstill.near.alike import alike_texts
from promptstill.near.ngrams import (
    CONTAINMENT,
    LEAST_CONTAINED,
    OVERLAP,
    Measure,
    nearest_text_between,
    similar_texts_between,
    similarity_of,
)
from promptstill.near.sketch import HALF, SINGLE

CAKE = "电饭煲做蛋糕的时候为什么总是会塌下去"
LONG = "Hello, I wrote last week and nobody answered. {} I have been a customer for nine years."


@pytest.mark.parametrize(
    ("left", "right", "low", "high"),
    [
        ("Why haven't I gotten my new card?", "I haven't gotten my new card.", 0.85, 1.0),
        ("where is the spare door?", LONG.format("Where is the spare door?"), 1.0, 1.0),
        (CAKE, f"{'你好,' * 30}{CAKE}", 1.0, 1.0),
        ("where is the spare door?", LONG.format("My order has not come."), 0.0, 0.5),
        ("thank you", LONG.format("Thank you."), 0.0, 0.0),
        ("", "", 0.0, 0.0),
    ],
)
def test_containment_is_the_share_of_the_shorter_text_in_the_longer(
    left: str, right: str, low: float, high: float
) -> None:
    assert low <= similarity_of(left, right, CONTAINMENT) <= high
    assert similarity_of(left, right, CONTAINMENT) == similarity_of(right, left, CONTAINMENT)


def test_a_text_needs_enough_ngrams_to_count_as_contained() -> None:
    text = "abcdefghijklmnopqrstuvwxyz"
    for ngrams, expected in ((LEAST_CONTAINED, 1.0), (LEAST_CONTAINED - 1, 0.0)):
        assert similarity_of(text[: ngrams + 3], text, CONTAINMENT) == expected


alphabets = st.sampled_from(["ab", "abcdefg é", "的一是在不了有和人这", "😀😁ab "])
texts = st.lists(alphabets.flatmap(lambda letters: st.text(letters, max_size=60)), min_size=1, max_size=25)


@given(texts, st.floats(0.3, 1), st.sampled_from([OVERLAP, CONTAINMENT]), st.sampled_from([SINGLE, HALF]))
def test_every_pair_that_reaches_the_similarity_is_found(
    texts: list[str], least: float, measure: Measure, precision: object
) -> None:
    texts += [text[3:40] for text in texts[:5]]
    every = [
        (i, j, similarity_of(texts[i], texts[j], measure)) for i, j in combinations(range(len(texts)), 2)
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("promptstill.near.alike.BLOCK", 4)
        patch.setattr("promptstill.near.alike.fastest", lambda gpu: precision)
        assert alike_texts(texts, least, measure) == [pair for pair in every if pair[2] >= least]


@given(texts, texts, st.floats(0.3, 1))
def test_pairs_between_two_lists_and_their_nearest_are_those_of_all_pairs(
    left: list[str], right: list[str], least: float
) -> None:
    every = [
        (i, j, similarity_of(a, b, CONTAINMENT)) for i, a in enumerate(left) for j, b in enumerate(right)
    ]
    reaching = [pair for pair in every if pair[2] >= least]
    assert similar_texts_between(left, right, least, CONTAINMENT) == reaching
    nearest = min(every, key=lambda pair: (-pair[2], pair[:2]))
    assert nearest_text_between(left, right, CONTAINMENT) == nearest


@pytest.mark.parametrize("measure", [OVERLAP, CONTAINMENT])
def test_more_rows_need_no_more_memory_beside_few_golden_cases(measure: Measure) -> None:
    def peak(count: int) -> int:
        rows = [f"{i * 7919:x} and {i * 104729:x} are the numbers of row {i}" for i in range(count)]
        tracemalloc.start()
        similar_texts_between(rows, ["a golden case", "another golden case"], 0.9, measure)
        largest = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return largest

    peak(5000)
    few, many = peak(5000), peak(10_000)
    assert (many - few) / 5000 < 100, "bytes for each further row"
