"""The weights of the student's two experts, fitted on validation rows key by key.

A value that is written freely has the model's weight alone: a power of its probability. The validation rows
choose the power under which these probabilities are nearest to how often the value is the true one, as
`normalise.yaml` compares it. They also choose whether citations are those that the model writes, or are
looked up for the answer that it writes.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from copy import deepcopy

import numpy as np

from promptstill.answers.schema.compare import same_value, value_likeness
from promptstill.answers.schema.form import AnswerForm
from promptstill.answers.schema.script import LABEL, Script
from promptstill.models.answering import Answerer
from promptstill.models.citations import cited, cites, look_up
from promptstill.models.mixture import aligned, calibrated, fitted
from promptstill.models.ngrams import Ngrams
from promptstill.models.reply import Reply
from promptstill.models.student import Weights
from promptstill.rows.row import SplitRow

# Shares of an answer's words that a further passage may have to add to be cited.
LEAST = (0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4)


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
    script, replies = answerer.script, answerer.replies([row["input"] for row in rows])
    # Like those of listed values, these probabilities are given the true label.
    pairs = [
        (row, reply)
        for row, reply in zip(rows, replies, strict=True)
        if not reply.cut_off
        and (script.slots[0].key != LABEL or reply.pieces[0] == script.pieces(row["answer"])[0])
    ]
    weights = {key: _power(key, pairs, script, form) for key in keys}
    citations = form.rules.citations
    if citations is not None and citations.key in keys and cites(form, script):
        weights[citations.key] = _of_citations(citations.key, pairs, script, form) or weights[citations.key]
    return weights


def _of_citations(
    key: str, pairs: Sequence[tuple[SplitRow, Reply]], script: Script, form: AnswerForm
) -> Weights | None:
    """The weights of citations that are looked up; None if those that were written are as near to
    the truth."""
    place = script.place(key)
    least = _least([row for row, reply in pairs if script.written(reply.pieces)[place]], key, script, form)
    looked_up = [(row, deepcopy(reply)) for row, reply in pairs]
    for row, reply in looked_up:
        look_up(row["input"], reply, form, script, least)
    if _likeness(key, looked_up, script, form) <= _likeness(key, pairs, script, form):
        return None
    return {**_power(key, looked_up, script, form), "passages": least}


def _power(key: str, pairs: Sequence[tuple[SplitRow, Reply]], script: Script, form: AnswerForm) -> Weights:
    """The weights of a key, from the replies that wrote it."""
    place = script.place(key)
    right, logs = [], []
    for row, reply in pairs:
        if script.written(reply.pieces)[place]:
            right.append(same_value(script.answer(reply.pieces, 1.0), row["answer"], key, form))
            logs.append(math.log(max(reply.probabilities[key], sys.float_info.min)))
    return {"model": round(calibrated(logs, right), 4), "ngrams": 0.0}


def _least(rows: Sequence[SplitRow], key: str, script: Script, form: AnswerForm) -> float:
    """The share of an answer's words that a passage must add, under which the citations of true answers are
    nearest to what is looked up for them; of equally good ones, the lowest."""

    def nearness(least: float) -> float:
        return sum(
            value_likeness(
                {key: cited(row["input"], row["answer"], form, script, least)[0]}, row["answer"], key, form
            )
            for row in rows
        )

    return max(LEAST, key=nearness)


def _likeness(key: str, pairs: Sequence[tuple[SplitRow, Reply]], script: Script, form: AnswerForm) -> float:
    """The sum of how alike the values of replies and rows are at a key."""
    return sum(
        value_likeness(script.answer(reply.pieces, 1.0), row["answer"], key, form) for row, reply in pairs
    )
