"""Sketches: they never miss a pair, whatever their width and precision."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from promptstill.near.sketch import HALF, SINGLE, Precision, sketches
from promptstill.near.vectors import Vectors
from tests.promptstill.near.vectors import cosine_pairs

DIMENSION = 96


def clustered(count: int, seed: int, spread: float) -> Vectors:
    """Unit vectors around a few directions; the smaller `spread`, the nearer they lie."""
    random = np.random.default_rng(seed)
    centres = random.normal(size=(5, DIMENSION))
    vectors = centres[random.integers(5, size=count)] + spread * random.normal(size=(count, DIMENSION))
    scaled: Vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return scaled


@pytest.fixture
def always_sketched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("promptstill.near.sketch.SKETCHED_FROM", 1)
    monkeypatch.setattr("promptstill.near.sketch.WIDTHS", (2, 8, 40))


@pytest.mark.usefixtures("always_sketched")
@pytest.mark.parametrize("precision", [SINGLE, HALF])
@pytest.mark.parametrize("width", [1, 7, 40, 95])
@pytest.mark.parametrize("spread", [0.01, 0.5, 3.0])
def test_a_product_of_sketches_is_never_below_the_cosine(
    precision: Precision, width: int, spread: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    vectors = clustered(300, 1, spread)
    axes = np.linalg.qr(np.random.default_rng(2).normal(size=(DIMENSION, DIMENSION)))[0][:, :width]
    monkeypatch.setattr("promptstill.near.sketch._axes", lambda *_: axes)
    short = sketches(vectors, None, 0.8, precision)
    assert short.left.shape == (300, width + 1)
    exact = vectors.astype(np.float64) @ vectors.astype(np.float64).T
    bounds = (short.left @ short.others.T).to(torch.float64).numpy()
    assert (bounds + short.slack >= exact).all()


@pytest.mark.usefixtures("always_sketched")
@pytest.mark.parametrize("precision", [SINGLE, HALF])
@pytest.mark.parametrize("sets", [1, 2])
def test_sketches_change_no_pair(precision: Precision, sets: int, monkeypatch: pytest.MonkeyPatch) -> None:
    @settings(max_examples=25)
    @given(st.integers(2, 200), st.integers(0, 1000), st.sampled_from([0.2, 0.5, 1.0]), st.floats(0.3, 0.99))
    def check(count: int, seed: int, spread: float, threshold: float) -> None:
        left = clustered(count, seed, spread)
        right = clustered(count // 2 + 1, seed + 1, spread) if sets == 2 else None
        with pytest.MonkeyPatch.context() as whole:
            whole.setattr("promptstill.near.sketch.SKETCHED_FROM", 10**9)
            whole.setattr("promptstill.near.pairs.sketches", partial(sketches, precision=SINGLE))
            expected = cosine_pairs(left, right, threshold)
        pairs = cosine_pairs(left, right, threshold)
        assert all((a == b).all() for a, b in zip(expected, pairs, strict=True))

    monkeypatch.setattr("promptstill.near.pairs.sketches", partial(sketches, precision=precision))
    check()


def test_the_width_is_what_costs_least(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("promptstill.near.sketch.SKETCHED_FROM", 1000)
    monkeypatch.setattr("promptstill.near.sketch.WIDTHS", (8, 24, 48))
    random = np.random.default_rng(0)
    flat = np.zeros((4000, DIMENSION), dtype=np.float32)
    flat[:, :6] = random.normal(size=(4000, 6))
    flat += 0.001 * random.normal(size=flat.shape).astype(np.float32)
    flat /= np.linalg.norm(flat, axis=1, keepdims=True)
    assert sketches(flat, None, 0.99, SINGLE).left.shape[1] == 9, "eight axes hold nearly everything"
    assert sketches(flat[:900], None, 0.99, SINGLE).left.shape[1] == DIMENSION, "too few rows"
    every = clustered(4000, 3, 0.01)
    assert sketches(every, None, 0.5, SINGLE).left.shape[1] == DIMENSION, "most pairs are near: whole vectors"
