"""What the student must beat: two baselines that cost seconds, and the most frequent answer.

Each baseline answers every scored key on its own. `embeddings` sees sentence embeddings, and `ngrams` sees
TF-IDF weights of characters and words. Where the values of a key are classes, a baseline is a one-vs-rest
logistic regression. It is tuned inside the train rows only, by cross-validation that keeps the rows of a
component together. Where the values are free text, a baseline gives that of the most similar train row. Where
answers cite their input, it looks them up there; see `retrieval`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from sklearn.metrics.pairwise import linear_kernel

from promptstill.answers.schema.shape import shape_of
from promptstill.answers.spec import AnswerSpec
from promptstill.models.logistic import Features, one_vs_rest, tuned
from promptstill.models.ngrams import Ngrams
from promptstill.near.vectors import Vectors
from promptstill.rows.row import Answer, SplitRow
from stages.eval.retrieval import looked_up, retrieved

# Values that the schema does not list are classes if the train rows have this many of each on average. Else
# they are free text, for which a classifier would have about as many classes as rows.
ROWS_OF_A_CLASS = 10
# Texts that are compared with all train rows at once, which bounds memory.
BLOCK = 256

# The vectors of texts.
Embed = Callable[[list[str]], Vectors]


def embeddings_answers(
    rows: Sequence[SplitRow], texts: Sequence[str], embed: Embed, spec: AnswerSpec
) -> list[Answer]:
    """Answers for `texts`, with only the scored keys, learnt from `rows`. `embed` gives vectors of texts."""
    vectors = embed([*(row["input"] for row in rows), *texts])
    train, vectors = vectors[: len(rows)], vectors[len(rows) :]
    targets = targets_of(rows, spec)
    groups = [row["component"] for row in rows]
    columns = retrieved(rows, texts, embed, spec)
    for key, values in classes_of(targets, spec).items():
        if len(set(values)) == 1:
            columns[key] = values[:1] * len(vectors)
        else:
            model = one_vs_rest(train, values, tuned(train, values, groups))
            columns[key] = [str(value) for value in model.predict(vectors)]
    if free := targets.keys() - columns.keys():
        similar = nearest(train, vectors)
        columns |= {key: [targets[key][i] for i in similar] for key in free}
    return answers_from(columns, spec)


def fitted_ngrams(rows: Sequence[SplitRow], spec: AnswerSpec) -> Ngrams:
    """The n-grams of the train rows, with a regression for each key whose values are classes."""
    classes = classes_of(targets_of(rows, spec), spec)
    return Ngrams.fit([row["input"] for row in rows], classes, [row["component"] for row in rows])


def ngrams_answers(
    ngrams: Ngrams, rows: Sequence[SplitRow], texts: Sequence[str], spec: AnswerSpec
) -> list[Answer]:
    """Answers for `texts`, with only the scored keys. A key that has no classes in `ngrams` is free text, and
    gets the value of the most similar of `rows`, or what is looked up in the text."""
    columns = retrieved(rows, texts, ngrams.features, spec) | {
        key: [ngrams.classes[key][i] for i in scores.argmax(axis=1)]
        for key, scores in ngrams.log_probabilities(texts).items()
    }
    targets = targets_of(rows, spec)
    if free := targets.keys() - columns.keys():
        similar = nearest(ngrams.features([row["input"] for row in rows]), ngrams.features(texts))
        columns |= {key: [targets[key][i] for i in similar] for key in free}
    return answers_from(columns, spec)


def targets_of(rows: Sequence[SplitRow], spec: AnswerSpec) -> dict[str, list[str]]:
    """For each scored key, the value of each row as JSON; if answers are texts, these, under the key ''."""
    if spec.rules.format == "text":
        return {"": [str(row["answer"]) for row in rows]}
    objects = [row["answer"] for row in rows if isinstance(row["answer"], dict)]
    return {key: [json.dumps(answer.get(key)) for answer in objects] for key in spec.scored}


def classes_of(targets: Mapping[str, list[str]], spec: AnswerSpec) -> dict[str, list[str]]:
    """Those of the targets whose values are classes and not free text. The values that a schema lists are,
    and those that are looked up in the input are not."""
    nodes = {"": spec.schema} if spec.rules.format == "text" else spec.schema.get("properties", {})
    open_targets = {key: values for key, values in targets.items() if key not in looked_up(spec)}
    return {
        key: values
        for key, values in open_targets.items()
        if len(set(values)) == 1
        or shape_of(nodes.get(key), spec.schema).enum is not None
        or len(values) >= len(set(values)) * ROWS_OF_A_CLASS
    }


def answers_from(columns: Mapping[str, Sequence[str]], spec: AnswerSpec) -> list[Answer]:
    """Answers from the values of their keys, which are written as those of `targets_of`."""
    if spec.rules.format == "text":
        return list(columns[""])
    return [
        {key: json.loads(value) for key, value in zip(spec.scored, values, strict=True)}
        for values in zip(*(columns[key] for key in spec.scored), strict=True)
    ]


def majority_answer(train_answers: Sequence[Answer], spec: AnswerSpec) -> Answer:
    """The most frequent value of each scored key, or the most frequent text: what always saying the same
    scores. Of equally frequent values, the first in the order of their JSON wins."""
    if spec.rules.format == "text":
        return _most_frequent([str(answer) for answer in train_answers])
    objects = [answer for answer in train_answers if isinstance(answer, dict)]
    return {
        key: json.loads(_most_frequent([json.dumps(answer.get(key)) for answer in objects]))
        for key in spec.scored
    }


def _most_frequent(values: Sequence[str]) -> str:
    return min(Counter(values).items(), key=lambda item: (-item[1], item[0]))[0]


def nearest(train: Features, features: Features) -> list[int]:
    """For each text, the position of the train row with the largest scalar product; the first of equals."""
    positions: list[int] = []
    for start in range(0, int(features.shape[0]), BLOCK):
        positions += linear_kernel(features[start : start + BLOCK], train).argmax(axis=1).tolist()
    return positions
