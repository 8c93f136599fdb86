"""The weights of the student's two experts, fitted on validation rows key by key."""

from __future__ import annotations

from collections.abc import Sequence

from promptstill.models.answering import Answerer
from promptstill.models.mixture import aligned, fitted
from promptstill.models.ngrams import Ngrams
from promptstill.models.student import Weights
from promptstill.rows.row import SplitRow


def fit_ngrams(rows: Sequence[SplitRow], answerer: Answerer) -> Ngrams:
    """N-grams of the train rows, with the pieces of every key whose values are listed as classes."""
    pieces = [answerer.script.pieces(row["answer"]) for row in rows]
    targets = {
        slot.key: [of_row[i] for of_row in pieces]
        for i, slot in enumerate(answerer.script.slots)
        if slot.closed
    }
    return Ngrams.fit([row["input"] for row in rows], targets, [row["component"] for row in rows])


def fit_weights(rows: Sequence[SplitRow], answerer: Answerer, ngrams: Ngrams) -> dict[str, Weights]:
    """The weights of every key whose values are listed, from validation rows: those under which the values of
    each key are most probable, given the true values before it."""
    texts, groups = [row["input"] for row in rows], [row["component"] for row in rows]
    true_pieces = [answerer.script.pieces(row["answer"]) for row in rows]
    of_model, of_ngrams = answerer.given(texts, true_pieces), ngrams.log_probabilities(texts)
    weights: dict[str, Weights] = {}
    for i, slot in enumerate(answerer.script.slots):
        if slot.closed:
            truth = [slot.pieces.index(of_row[i]) for of_row in true_pieces]
            columns = aligned(of_ngrams[slot.key], ngrams.classes[slot.key], slot.pieces)
            weights[slot.key] = fitted(of_model[slot.key], columns, truth, groups)
    return weights
