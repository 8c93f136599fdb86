"""What the student must beat: logistic regression on sentence embeddings, with one classifier for each scored
key, and the most frequent answer of the train rows."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence

from sklearn.linear_model import LogisticRegression

from promptstill.answers.spec import AnswerSpec
from promptstill.near.vectors import Vectors
from promptstill.rows.row import Answer


def baseline_answers(
    train_vectors: Vectors, train_answers: Sequence[Answer], vectors: Vectors, spec: AnswerSpec, c: float
) -> list[Answer]:
    """Answers for `vectors`, with only the scored keys. `c` is the inverse regularisation."""
    if not spec.scored:
        return list(_classify(train_vectors, [str(answer) for answer in train_answers], vectors, c))
    columns = {}
    for key in spec.scored:
        values = [json.dumps(answer.get(key)) for answer in train_answers if isinstance(answer, dict)]
        columns[key] = [json.loads(value) for value in _classify(train_vectors, values, vectors, c)]
    return [{key: columns[key][i] for key in spec.scored} for i in range(len(vectors))]


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


def _classify(train_vectors: Vectors, targets: list[str], vectors: Vectors, c: float) -> list[str]:
    if len(set(targets)) == 1:
        return targets[:1] * len(vectors)
    model = LogisticRegression(C=c, max_iter=2000).fit(train_vectors, targets)
    return [str(target) for target in model.predict(vectors)]
