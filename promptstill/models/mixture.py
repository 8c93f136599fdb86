"""The student's two experts and how they are weighed, key by key: the language model and the n-grams.

The probability of a value is proportional to `p_model ** model * p_ngrams ** ngrams`, a log-linear pool
(Heskes 1998). Without n-grams this is temperature scaling (Guo et al. 2017, with temperature 1 / model).
Both weights are fitted on validation rows, which neither expert was trained on, so the probabilities that
come out are calibrated. The probability of a value that is written freely is that of all its tokens, raised
to a power that is fitted too.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.optimize import minimize
from scipy.special import logsumexp
from sklearn.model_selection import GroupKFold

from promptstill.models.student import Weights

FOLDS = 5
# Weights near these are preferred, as if they had been seen in one row: few validation rows move them little.
EXPECTED = np.array([1.0, 0.0])


def mixed(model: np.ndarray, ngrams: np.ndarray, weights: Weights) -> np.ndarray:
    """Log-probabilities of shape (rows, values) of the mixture, from those of the experts."""
    return _normalised(weights["model"] * model + weights["ngrams"] * ngrams)


def fitted(model: np.ndarray, ngrams: np.ndarray, truth: Sequence[int], groups: Sequence[str]) -> Weights:
    """The weights under which the true values are most probable, from log-probabilities of shape (rows,
    values).

    The n-grams get a weight only if the rows of held-out groups are then more probable.
    """
    right = np.array(truth)
    with_ngrams = _held_out(model, ngrams, right, groups, mixing=True)
    without = _held_out(model, ngrams, right, groups, mixing=False)
    of_model, of_ngrams = _best(model, ngrams, right, mixing=with_ngrams < without)
    return {"model": round(float(of_model), 4), "ngrams": round(float(of_ngrams), 4)}


def calibrated(logs: Sequence[float], right: Sequence[bool]) -> float:
    """The power under which probabilities are nearest to how often the values are right, from the logarithms
    of the probabilities; 1 if there are none."""
    values, truth = np.minimum(np.array(logs), -1e-9), np.array(right, dtype=bool)

    def loss(power: np.ndarray) -> float:
        scaled = power[0] * values
        surprise = np.where(truth, -scaled, -np.log(-np.expm1(scaled)))
        return float(surprise.sum()) + 0.5 * float((power[0] - 1) ** 2)

    return float(minimize(loss, [1.0], method="L-BFGS-B", bounds=[(0.001, None)]).x[0])


def aligned(log_probabilities: np.ndarray, classes: Sequence[str], pieces: Sequence[str]) -> np.ndarray:
    """Log-probabilities of `classes` as columns of `pieces`. A piece that is no class is as improbable as the
    least probable class of the row."""
    lowest = log_probabilities.min(axis=1)
    columns = [log_probabilities[:, classes.index(piece)] if piece in classes else lowest for piece in pieces]
    return _normalised(np.stack(columns, axis=1))


def _held_out(
    model: np.ndarray, ngrams: np.ndarray, right: np.ndarray, groups: Sequence[str], mixing: bool
) -> float:
    folds = min(FOLDS, len(set(groups)))
    if folds == 1:
        return 0.0
    total = 0.0
    for fitting, held_out in GroupKFold(folds, shuffle=True, random_state=0).split(right, groups=groups):
        weights = _best(model[fitting], ngrams[fitting], right[fitting], mixing)
        total += _loss(weights, model[held_out], ngrams[held_out], right[held_out])
    return total


def _best(model: np.ndarray, ngrams: np.ndarray, right: np.ndarray, mixing: bool) -> np.ndarray:
    def loss(weights: np.ndarray) -> float:
        return _loss(weights, model, ngrams, right) + 0.5 * float(((weights - EXPECTED) ** 2).sum())

    bounds = [(0.01, None), (0.0, None if mixing else 0.0)]
    best: np.ndarray = minimize(loss, EXPECTED, method="L-BFGS-B", bounds=bounds).x
    return best


def _loss(weights: np.ndarray, model: np.ndarray, ngrams: np.ndarray, right: np.ndarray) -> float:
    values = _normalised(weights[0] * model + weights[1] * ngrams)
    return -float(values[np.arange(len(right)), right].sum())


def _normalised(values: np.ndarray) -> np.ndarray:
    normalised: np.ndarray = values - logsumexp(values, axis=1, keepdims=True)
    return normalised
