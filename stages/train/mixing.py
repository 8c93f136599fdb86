"""The weights of the student's two experts, fitted on validation rows key by key.

A value that is written freely has the model's weight alone: the power of its probability that tells best,
over the validation rows, whether the value is the true one as `normalise.yaml` compares it.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence

import numpy as np

from promptstill.answers.schema.compare import same_value
from promptstill.answers.schema.form import AnswerForm
from promptstill.answers.schema.script import LABEL
from promptstill.models.answering import Answerer
from promptstill.models.mixture import aligned, calibrated, fitted
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


def fit_weights(
    rows: Sequence[SplitRow], answerer: Answerer, ngrams: Ngrams, form: AnswerForm
) -> dict[str, Weights]:
    """The weights of every key from validation rows. Those of listed values make the true ones most probable,
    given the true values before them."""
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
    free = [slot.key for slot in answerer.script.slots if not slot.closed and slot.key in (*form.scored, "")]
    return weights | (_of_free_values(free, rows, answerer.mixed_with(ngrams, weights), form) if free else {})


def _of_free_values(
    keys: Sequence[str], rows: Sequence[SplitRow], answerer: Answerer, form: AnswerForm
) -> dict[str, Weights]:
    """The weights of keys that are written freely, from what the student writes for the rows."""
    replies = answerer.replies([row["input"] for row in rows])
    weights: dict[str, Weights] = {}
    for key in keys:
        place = [slot.key for slot in answerer.script.slots].index(key)
        right, logs = [], []
        for row, reply in zip(rows, replies, strict=True):
            # Like those of listed values, these probabilities are given the true label.
            label = answerer.script.pieces(row["answer"])[0]
            known = answerer.script.slots[0].key != LABEL or reply.pieces[0] == label
            if known and answerer.script.written(reply.pieces)[place] and not reply.cut_off:
                given = answerer.script.answer(reply.pieces, 1.0)
                right.append(same_value(given, row["answer"], key, form))
                logs.append(math.log(max(reply.probabilities[key], sys.float_info.min)))
        weights[key] = {"model": round(calibrated(logs, right), 4), "ngrams": 0.0}
    return weights
