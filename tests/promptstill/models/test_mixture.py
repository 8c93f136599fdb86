"""How the two experts of a student are weighed."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import log_softmax

from promptstill.models.mixture import aligned, calibrated, fitted, mixed
from promptstill.models.student import Weights, weighs_ngrams

ROWS, VALUES = 300, 3
RANDOM = np.random.default_rng(0)
TRUTH = RANDOM.integers(0, VALUES, ROWS)
GROUPS = [f"g{i // 2}" for i in range(ROWS)]


def expert(right: float, strength: float = 2.0, seed: int = 1) -> np.ndarray:
    """Log-probabilities of an expert that prefers the true value in a share of the rows, else any value."""
    random = np.random.default_rng(seed)
    preferred = np.where(random.random(ROWS) < right, TRUTH, random.integers(0, VALUES, ROWS))
    scores = np.zeros((ROWS, VALUES))
    scores[np.arange(ROWS), preferred] = strength
    given: np.ndarray = log_softmax(scores, axis=1)
    return given


def loss(given: np.ndarray) -> float:
    return -float(given[np.arange(ROWS), TRUTH].mean())


def test_useless_ngrams_get_no_weight() -> None:
    assert fitted(expert(0.9), expert(0.0, seed=2), TRUTH.tolist(), GROUPS)["ngrams"] == 0.0


def test_perfect_ngrams_get_weight_and_help() -> None:
    model, ngrams = expert(0.6), expert(1.0, 3.0)
    weights = fitted(model, ngrams, TRUTH.tolist(), GROUPS)
    assert weights["ngrams"] > 0.5
    assert loss(mixed(model, ngrams, weights)) < min(loss(model), loss(ngrams))


def test_an_overconfident_model_gets_a_weight_below_1() -> None:
    model = expert(0.6, 12.0)
    weights = fitted(model, expert(0.0, seed=2), TRUTH.tolist(), GROUPS)
    assert 0 < weights["model"] < 0.5
    given = mixed(model, expert(0.0, seed=2), weights)
    assert loss(given) < loss(model)
    right = (given.argmax(axis=1) == TRUTH).mean()
    assert np.exp(given.max(axis=1)).mean() == pytest.approx(right, abs=0.03), "it is calibrated"
    assert (given.argmax(axis=1) == model.argmax(axis=1)).all(), "and decides as before"


def test_an_underconfident_model_gets_a_weight_above_1() -> None:
    assert fitted(expert(0.95, 0.5), expert(0.0, seed=2), TRUTH.tolist(), GROUPS)["model"] > 1.5


def test_ngrams_are_kept_only_where_some_key_weighs_them() -> None:
    alone: Weights = {"model": 0.9, "ngrams": 0.0}
    assert not weighs_ngrams({})
    assert not weighs_ngrams({"a": alone, "b": alone})
    assert weighs_ngrams({"a": alone, "b": {"model": 0.9, "ngrams": 0.1}})


def test_rows_of_one_group_say_nothing_about_ngrams() -> None:
    weights = fitted(expert(0.6), expert(1.0, 3.0), TRUTH.tolist(), ["g"] * ROWS)
    assert weights["ngrams"] == 0.0
    assert weights["model"] > 0


def test_a_model_that_is_always_right_gets_finite_weights() -> None:
    model = expert(1.0, 9.0)
    weights = fitted(model, expert(1.0, 3.0), TRUTH.tolist(), GROUPS)
    assert np.isfinite([weights["model"], weights["ngrams"]]).all()
    assert (mixed(model, expert(1.0, 3.0), weights).argmax(axis=1) == TRUTH).all()


def test_few_rows_move_the_weights_little() -> None:
    weights = fitted(expert(0.6)[:2], expert(1.0)[:2], TRUTH[:2].tolist(), GROUPS[:2])
    assert weights["model"] == pytest.approx(1.0, abs=0.5)


def test_the_mixture_is_normalised_and_weight_1_alone_changes_nothing() -> None:
    model, ngrams = expert(0.6), expert(0.9)
    assert np.allclose(mixed(model, ngrams, {"model": 1.0, "ngrams": 0.0}), model)
    given = mixed(model, ngrams, {"model": 0.7, "ngrams": 1.3})
    assert np.exp(given).sum(axis=1) == pytest.approx(1.0)
    assert np.allclose(
        given[0] - given[0][0], 0.7 * (model[0] - model[0][0]) + 1.3 * (ngrams[0] - ngrams[0][0])
    )


def test_a_piece_that_is_no_class_is_as_improbable_as_the_least_probable_class() -> None:
    given = np.log(np.array([[0.7, 0.2, 0.1], [0.1, 0.6, 0.3]]))
    columns = aligned(given, ["a", "b", "c"], ["c", "never", "b", "a"])
    expected = np.array([[0.1, 0.1, 0.2, 0.7], [0.3, 0.1, 0.6, 0.1]]) / 1.1
    assert np.exp(columns) == pytest.approx(expected)


def test_pieces_of_no_class_are_equally_probable() -> None:
    assert np.exp(aligned(np.zeros((1, 1)), ["a"], ["x", "y"])) == pytest.approx(np.array([[0.5, 0.5]]))


def test_the_power_of_free_values_tells_how_often_they_are_right() -> None:
    generator = np.random.default_rng(0)
    chances = generator.uniform(0.05, 0.95, 4_000)
    right = generator.random(4_000) < chances
    # The tokens of a text are four times as surprising as the text is often wrong.
    assert calibrated(list(4 * np.log(chances)), list(right)) == pytest.approx(0.25, abs=0.02)
    assert calibrated([], []) == 1.0
    assert calibrated([-3.0, 0.0], [True, True]) < 0.5
    assert calibrated([-0.1] * 20, [False] * 20) > 3
