"""What the student must beat: two baselines that cost seconds, and the most frequent answer.

Each baseline answers every scored key on its own. `embeddings` sees sentence embeddings, and `ngrams` sees
TF-IDF weights of characters and words. Where the values of a key are classes, a baseline is a one-vs-rest
logistic regression. It is tuned inside the train rows only, by cross-validation that keeps the rows of a
component together. Where the values are free text, a baseline gives that of the most similar train row.
"""

from __future__ import annotations

import json
import warnings
from collections import Counter
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from scipy.sparse import csr_matrix
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics.pairwise import linear_kernel
from sklearn.model_selection import GroupKFold
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import FeatureUnion

from promptstill.answers.shape import shape_of
from promptstill.answers.spec import AnswerSpec
from promptstill.near.vectors import Vectors
from promptstill.rows.row import Answer, SplitRow

# One row for each text.
Features: TypeAlias = "Vectors | csr_matrix"
# Inverse regularisation, weakest last. Tuned over these folds, `ngrams` takes about a minute of one core for
# 10,000 rows of 77 labels.
CS = (1.0, 10.0, 100.0)
FOLDS = 3
# Values that the schema does not list are classes if the train rows have this many of each on average. Else
# they are free text, for which a classifier would have about as many classes as rows.
ROWS_OF_A_CLASS = 10
# Marks the beginning of a text. Every text has it, so texts without a word have features too.
BEGINNING = "\x02"
# Texts that are compared with all train rows at once, which bounds memory.
BLOCK = 256


def ngram_features(train: Sequence[str], texts: Sequence[str]) -> tuple[csr_matrix, csr_matrix]:
    """TF-IDF weights of character 1- to 5-grams and word 1- and 2-grams that are in two train texts or more,
    for the train texts and for others. Both kinds of n-gram have unit length, so they count alike."""
    settings: dict[str, Any] = {"sublinear_tf": True, "min_df": min(2, len(train))}
    union = FeatureUnion(
        [
            ("characters", TfidfVectorizer(analyzer="char", ngram_range=(1, 5), **settings)),
            ("words", TfidfVectorizer(token_pattern=rf"\w+|{BEGINNING}", ngram_range=(1, 2), **settings)),
        ]
    )
    marked, others = ([BEGINNING + text for text in part] for part in (train, texts))
    return csr_matrix(union.fit_transform(marked)), csr_matrix(union.transform(others))


def answers_from(
    train: Features, rows: Sequence[SplitRow], features: Features, spec: AnswerSpec
) -> list[Answer]:
    """Answers for `features`, with only the scored keys, learnt from `rows` and their features `train`."""
    groups = [row["component"] for row in rows]
    if not spec.scored:
        texts = [str(row["answer"]) for row in rows]
        return list(_answer(train, texts, groups, features, listed=_listed(spec.schema, spec)))
    columns = {}
    for key in spec.scored:
        values = [json.dumps(row["answer"].get(key)) for row in rows if isinstance(row["answer"], dict)]
        listed = _listed(spec.schema.get("properties", {}).get(key), spec)
        columns[key] = [json.loads(value) for value in _answer(train, values, groups, features, listed)]
    return [{key: columns[key][i] for key in spec.scored} for i in range(features.shape[0])]


def majority_answer(train_answers: Sequence[Answer], spec: AnswerSpec) -> Answer:
    """The most frequent value of each scored key, or the most frequent text: what always saying the same
    scores. Of equally frequent values, the first in the order of their JSON wins."""
    if not spec.scored:
        return _most_frequent([str(answer) for answer in train_answers])
    objects = [answer for answer in train_answers if isinstance(answer, dict)]
    return {
        key: json.loads(_most_frequent([json.dumps(answer.get(key)) for answer in objects]))
        for key in spec.scored
    }


def _most_frequent(values: Sequence[str]) -> str:
    return min(Counter(values).items(), key=lambda item: (-item[1], item[0]))[0]


def _listed(node: object, spec: AnswerSpec) -> bool:
    """Whether the schema lists the values of a node."""
    return shape_of(node, spec.schema).enum is not None


def _answer(
    train: Features, targets: list[str], groups: list[str], features: Features, listed: bool
) -> list[str]:
    classes = len(set(targets))
    if classes == 1:
        return targets[:1] * int(features.shape[0])
    if not listed and len(targets) < classes * ROWS_OF_A_CLASS:
        return [targets[i] for i in nearest(train, features)]
    model = _fitted(train, targets, tuned(train, targets, groups))
    return [str(target) for target in model.predict(features)]


def nearest(train: Features, features: Features) -> list[int]:
    """For each text, the position of the train row with the largest scalar product; the first of equals."""
    positions: list[int] = []
    for start in range(0, int(features.shape[0]), BLOCK):
        positions += linear_kernel(features[start : start + BLOCK], train).argmax(axis=1).tolist()
    return positions


def tuned(train: Features, targets: Sequence[str], groups: Sequence[str]) -> float:
    """The inverse regularisation with the highest accuracy in cross-validation over groups; of equals, the
    strongest regularisation. With a single group, the one in the middle."""
    folds = min(FOLDS, len(set(groups)))
    if folds == 1:
        return CS[len(CS) // 2]
    right = dict.fromkeys(CS, 0)
    truth = np.array(targets)
    for fitting, held_out in GroupKFold(folds, shuffle=True, random_state=0).split(truth, groups=groups):
        if len(set(truth[fitting])) == 1:
            continue
        for c in CS:
            model = _fitted(train[fitting], truth[fitting], c)
            right[c] += int((model.predict(train[held_out]) == truth[held_out]).sum())
    return max(CS, key=lambda c: (right[c], -c))


def _fitted(features: Features, targets: Sequence[str], c: float) -> OneVsRestClassifier:
    # With more features than rows, liblinear's dual solver needs a fraction of the time that lbfgs needs.
    # Steps beyond this tolerance, or beyond the limit, change no prediction.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        one = LogisticRegression(C=c, solver="liblinear", dual=True, tol=0.01, max_iter=1000, random_state=0)
        return OneVsRestClassifier(one).fit(features, targets)
