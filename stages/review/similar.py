"""Rows with similar texts, so that a reviewer sees what was decided about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from promptstill.answers.schema.form import AnswerForm
from promptstill.models.ngrams import Ngrams
from promptstill.reviews.queue import Similar
from promptstill.rows.identity import input_hash
from promptstill.rows.row import ValidatedRow

# Similar rows of each row, and the cosine of their n-grams from which texts are similar. Near-duplicates have
# more than 0.5; rows below 0.2 share a topic at most.
MOST, LEAST = 3, 0.2
# Rows of the queue that are compared with all others at once, which bounds memory.
BLOCK = 256
# Characters of a similar text that are shown.
SHOWN = 300


def similar_rows(
    queue: Sequence[ValidatedRow], others: Sequence[ValidatedRow], form: AnswerForm
) -> Mapping[str, list[Similar]]:
    """The most similar of the other rows for each row of the queue, by its id. Texts are compared by their
    n-grams, with weights learnt from the other rows."""
    if not others:
        return {}
    ngrams = Ngrams.fit([row["input"] for row in others], {}, [row["id"] for row in others])
    features = ngrams.features([row["input"] for row in others])
    nearest: dict[str, list[Similar]] = {}
    for start in range(0, len(queue), BLOCK):
        part = queue[start : start + BLOCK]
        # Characters and words have unit length each, so a text's own product is 2.
        products = (ngrams.features([row["input"] for row in part]) @ features.T).toarray() / 2
        for row, cosines in zip(part, products, strict=True):
            order = np.argsort(-cosines, kind="stable")
            near = [int(i) for i in order if cosines[i] >= LEAST and others[i]["id"] != row["id"]]
            chosen, decided = near[:MOST], [i for i in near if others[i]["review"] is not None]
            # What a person decided about a similar text says most, so one such row is always there.
            if decided and not {*decided} & {*chosen}:
                chosen[-1] = decided[0]
            nearest[row["id"]] = [similar(others[i], float(cosines[i]), form) for i in chosen]
    return nearest


def similar(row: ValidatedRow, similarity: float, form: AnswerForm, conflict: bool = False) -> Similar:
    """A row as it is shown beside another one."""
    answer = row["answer"]
    return {
        "id": row["id"],
        "input_hash": input_hash(row["input"]),
        "input": row["input"][:SHOWN],
        "answer": "" if answer is None else form.text(answer),
        "similarity": round(similarity, 2),
        "conflict": conflict,
    }
