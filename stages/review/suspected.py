"""Suspected label errors: kept rows whose value a classifier of n-grams finds improbable, though it learnt
from other rows. The judgement is confident learning (Northcutt et al. 2021, arXiv:1911.00068), by cleanlab.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from promptstill.answers.schema.form import AnswerForm
from promptstill.answers.schema.script import LABEL, Script
from promptstill.models.logistic import Features, one_vs_rest
from promptstill.reviews.queue import Suspicion
from promptstill.rows.row import GroupedRow

# Folds in which every row is held out once, and the inverse regularisation of the classifier. Tuning it would
# take ten times as long and moves few rows.
FOLDS, C = 5, 10.0
# Rows that are judged, chosen by the hash of their text. With 77 labels, 10,000 rows take two minutes.
MOST_ROWS = 20_000
# A classifier must make at most this share of the mistakes of always saying the most frequent value. Else
# what it finds improbable says little.
HALF = 0.5


def suspicions(rows: Sequence[GroupedRow], form: AnswerForm) -> dict[str, Suspicion]:
    """The least probable value of each suspected row, by its id."""
    script = Script(form)
    pieces = [script.pieces(row["answer"]) for row in rows]
    texts, groups = [row["input"] for row in rows], [row["group"] for row in rows]
    suspected: dict[str, Suspicion] = {}
    if len(set(groups)) < FOLDS:
        return suspected
    from promptstill.models.ngrams import Ngrams

    features = Ngrams.fit(texts, {}, groups).features(texts)
    for place, slot in enumerate(script.slots):
        if not slot.closed or slot.key not in (LABEL, "", *form.scored):
            continue
        values = [of_row[place] for of_row in pieces]
        for row, suspicion in zip(rows, _of_key(slot.key, values, features, groups), strict=True):
            known = suspected.get(row["id"])
            if suspicion is not None and (
                known is None or suspicion["given_probability"] < known["given_probability"]
            ):
                suspected[row["id"]] = suspicion
    return suspected


def _of_key(
    key: str, values: Sequence[str], features: Features, groups: Sequence[str]
) -> list[Suspicion | None]:
    """What is suspected of each row's value of a key."""
    from cleanlab.filter import find_label_issues

    names = sorted(set(values))
    truth = np.array([names.index(value) for value in values])
    nothing: list[Suspicion | None] = [None] * len(values)
    if len(names) == 1:
        return nothing
    probabilities = _held_out(features, truth, len(names), groups)
    guessed = probabilities.argmax(axis=1)
    by_majority = len(values) - max(Counter(values).values())
    if int((guessed != truth).sum()) > HALF * by_majority:
        return nothing
    suspected = find_label_issues(truth, probabilities, n_jobs=1) & (guessed != truth)
    return [
        Suspicion(
            key=key,
            given=values[i],
            likely=names[guessed[i]],
            given_probability=round(float(probabilities[i, truth[i]]), 4),
            likely_probability=round(float(probabilities[i, guessed[i]]), 4),
        )
        if suspected[i]
        else None
        for i in range(len(values))
    ]


def _held_out(
    features: Features, truth: NDArray[np.int64], classes: int, groups: Sequence[str]
) -> NDArray[np.float64]:
    """The probabilities of all classes for each row, by a classifier that learnt from other groups."""
    from sklearn.model_selection import GroupKFold

    probabilities = np.zeros((len(truth), classes))
    for fitting, held_out in GroupKFold(FOLDS, shuffle=True, random_state=0).split(truth, groups=groups):
        known = np.unique(truth[fitting])
        if len(known) == 1:
            probabilities[held_out, known[0]] = 1.0
            continue
        model = one_vs_rest(features[fitting], truth[fitting], C)
        probabilities[np.ix_(held_out, model.classes_)] = model.predict_proba(features[held_out])
    return probabilities
