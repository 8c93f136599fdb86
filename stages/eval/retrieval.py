"""Answers that are looked up in the input: inputs with numbered passages in, texts and citations out.

Where answers cite their input, that of a similar train row is no opponent, because the answer is in the text
itself. So a baseline takes the passage that is most similar to the question, which is all of the input that
`citations.passages` of `normalise.yaml` does not match. Below a threshold of similarity it refuses.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.metrics.pairwise import linear_kernel

from promptstill.answers.citing import free_keys, refuses
from promptstill.answers.schema.passages import outside, passages
from promptstill.answers.schema.rules import Citations
from promptstill.answers.sentences import sentences
from promptstill.answers.spec import AnswerSpec
from promptstill.models.logistic import Features
from promptstill.rows.row import SplitRow

# One row of features for each text.
Read = Callable[[list[str]], Features]


@dataclass(frozen=True)
class Passage:
    """The passage of an input that is most similar to the question, the most similar sentence of it, and the
    similarity of passage and question. An input without passages has none, and minus infinity."""

    number: int | None
    sentence: str
    similarity: float


def retrieved(
    rows: Sequence[SplitRow], texts: Sequence[str], read: Read, spec: AnswerSpec
) -> dict[str, list[str]]:
    """For each key that is looked up, its value for each text as JSON; no key if the task has no citations.

    `read` gives the features of texts, whose scalar products are similarities. The threshold is chosen on the
    train `rows`.
    """
    rules = spec.rules.citations
    if rules is None:
        return {}
    chosen = most_similar([*(row["input"] for row in rows), *texts], rules, read)
    learnt, asked = chosen[: len(rows)], chosen[len(rows) :]
    least = threshold([part.similarity for part in learnt], [refuses(row["answer"], spec) for row in rows])
    refusal, values = spec.rules.refusal, [_values(part, spec) for part in asked]
    if refusal is not None:
        refused = {str(refusal.key): refusal.text, **refusal.others}
        values = [
            value | refused if part.similarity < least else value
            for value, part in zip(values, asked, strict=True)
        ]
    return {key: [json.dumps(value[key]) for value in values] for key in looked_up(spec)}


def looked_up(spec: AnswerSpec) -> tuple[str, ...]:
    """The keys that a baseline looks up in the input: those with texts of the answer's own, and citations."""
    rules = spec.rules.citations
    return () if rules is None else (*free_keys(spec), rules.key)


def question(text: str, rules: Citations) -> str:
    """An input without its passages, on one line."""
    return " ".join(outside(text, rules.passages).split())


def most_similar(texts: Sequence[str], rules: Citations, read: Read) -> list[Passage]:
    """The passage of each text that is most similar to its question; of equals, the first."""
    asked = [(question(text, rules), passages(text, rules.passages)) for text in texts]
    split = {part: sentences(part) for _, parts in asked for part in parts.values()}
    known = [*(ask for ask, _ in asked), *split, *(line for lines in split.values() for line in lines)]
    places = {text: i for i, text in enumerate(dict.fromkeys(known))}
    features = read(list(places))

    def similarities(ask: str, others: Sequence[str]) -> np.ndarray:
        return np.asarray(
            linear_kernel(features[[places[ask]]], features[[places[other] for other in others]])[0]
        )

    chosen = []
    for ask, parts in asked:
        if not parts:
            chosen.append(Passage(None, "", -np.inf))
            continue
        near = similarities(ask, list(parts.values()))
        number = list(parts)[near.argmax()]
        lines = split[parts[number]]
        sentence = lines[similarities(ask, lines).argmax()] if lines else parts[number]
        chosen.append(Passage(number, sentence, float(near.max())))
    return chosen


def threshold(similarities: Sequence[float], refused: Sequence[bool]) -> float:
    """The similarity below which refusing is right about most rows; of equally good ones, the lowest."""
    values, of_row = np.unique(similarities, return_inverse=True)
    gains = np.bincount(of_row, weights=np.where(refused, 1, -1))
    gained = np.append(0, np.cumsum(gains))
    return float(np.append(values, np.inf)[gained.argmax()])


def _values(part: Passage, spec: AnswerSpec) -> dict[str, object]:
    rules = spec.rules.citations
    assert rules is not None
    cited = [] if part.number is None else [part.number]
    return {**dict.fromkeys(free_keys(spec), part.sentence), rules.key: cited}
