"""The weights of the student's two experts, fitted on validation rows key by key."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

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
    written = np.array([answerer.script.written(pieces) for pieces in true_pieces])
    of_model, of_ngrams = answerer.given(texts, true_pieces), ngrams.log_probabilities(texts)
    weights: dict[str, Weights] = {}
    for i, slot in enumerate(answerer.script.slots):
        rows_with_it = np.flatnonzero(written[:, i])
        if slot.closed and len(rows_with_it):
            truth = [slot.pieces.index(true_pieces[row][i]) for row in rows_with_it]
            columns = aligned(of_ngrams[slot.key], ngrams.classes[slot.key], slot.pieces)[rows_with_it]
            of_rows = [groups[row] for row in rows_with_it]
            weights[slot.key] = fitted(of_model[slot.key][rows_with_it], columns, truth, of_rows)
    return weights
