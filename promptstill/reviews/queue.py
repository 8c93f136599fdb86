"""The review queue: rows that a person should look at, with what a decision needs."""

from __future__ import annotations

from typing import NotRequired, TypedDict

from promptstill.rows.row import Answer, Nearest, SampledRow


class Suspicion(TypedDict):
    """What a classifier says about the value of a key, in rows that it did not learn from: the value that the
    row has, the most probable one, and their probabilities."""

    key: str
    given: str
    likely: str
    given_probability: float
    likely_probability: float


class Similar(TypedDict):
    """A row with a similar text, and its answer as text. `similarity` is the cosine of the n-grams of both,
    or that of their embeddings if the answers are in `conflict`."""

    id: str
    input_hash: str
    input: str
    answer: str
    similarity: float
    conflict: bool


class Reply(TypedDict):
    """A reply of the teacher, as it arrived."""

    response: str
    finish_reason: str | None


class QueueEntry(TypedDict):
    """A row in the queue: all reasons to look at it, the likeliest mistake first.

    `risk` is the probability that a person corrects it, as far as one can tell before. `input_hash` and `id`
    key a review. `problem` is what the row has in common with others that would teach a reviewer the same.
    `similar` has rows with similar texts, those whose answers contradict this one first. `decided_at` is the
    time of the decision in force, for a row whose decision needs another look.
    """

    id: str
    input_hash: str
    reasons: list[str]
    risk: float
    problem: list[str]
    input: str
    source: str | None
    slices: list[str]
    status: str
    label: str | None
    answer: Answer | None
    teacher_answer: Answer | None
    samples: list[Reply]
    similar: list[Similar]
    suspicion: NotRequired[Suspicion]
    decided_at: NotRequired[str]


class Conflict(TypedDict):
    """dedupe: a row whose answer contradicts that of the most similar row near it. `group` is the id of one
    of the rows whose conflicts are connected with it."""

    id: str
    group: str
    conflict: Nearest


def replies(row: SampledRow) -> list[Reply]:
    """The teacher's replies."""
    return [
        {"response": sample["response"], "finish_reason": sample["finish_reason"]}
        for sample in row["samples"]
    ]
