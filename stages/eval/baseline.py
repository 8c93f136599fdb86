"""The honest simple baseline: logistic regression on sentence embeddings, one for each scored key."""

from __future__ import annotations

import json

from sklearn.linear_model import LogisticRegression

from stages.shared.answers import Answer, AnswerSpec
from stages.shared.embeddings import Vectors


def baseline_answers(
    train_vectors: Vectors, train_answers: list[Answer], vectors: Vectors, spec: AnswerSpec, c: float
) -> list[Answer]:
    """Answers for `vectors`, each scored key by a classifier of its own; keys that no metric scores are left
    out."""
    if not spec.scored:
        said = _classify(train_vectors, [str(answer) for answer in train_answers], vectors, c)
        return list(said)
    columns = {}
    for key in spec.scored:
        values = [json.dumps(answer[key]) for answer in train_answers if isinstance(answer, dict)]
        columns[key] = [json.loads(value) for value in _classify(train_vectors, values, vectors, c)]
    return [{key: columns[key][i] for key in spec.scored} for i in range(len(vectors))]


def _classify(train_vectors: Vectors, targets: list[str], vectors: Vectors, c: float) -> list[str]:
    if len(set(targets)) == 1:
        return targets[:1] * len(vectors)
    model = LogisticRegression(C=c, max_iter=2000).fit(train_vectors, targets)
    return [str(target) for target in model.predict(vectors)]
