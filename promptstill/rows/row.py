"""The row from beginning to end: what each stage adds to it, and the golden case beside it.

This is the only list of fields. A row is a JSON object. A stage makes new rows from old ones: it adds fields
and drops none. `ReadOnly` fields get a narrower type later: a kept row always has an answer.
"""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypedDict

from typing_extensions import ReadOnly

# An answer in canonical form: a text, or an object with its keys in the order of the task's schema.
Answer = str | dict[str, Any]
# Why a reply is not an answer.
Problem = Literal[
    "no_answer", "several_answers", "not_json", "schema_mismatch", "no_label", "cut_off", "content_filter"
]
SplitName = Literal["train", "validation", "test"]


class Input(TypedDict):
    """What a traffic row and a golden case have in common: an identity and a text."""

    id: str
    input: str


class Provenance(TypedDict):
    """Where a row came from; `timestamp` is ISO 8601 in UTC."""

    source: str | None
    account: str | None
    thread: str | None
    document: str | None
    translation_group: str | None
    timestamp: str


class Origin(Provenance):
    """What a row keeps of every row that it represents."""

    id: str


class TrafficRow(Input, Provenance):
    """A checked row of traffic."""

    tags: list[str]


class IngestedRow(TrafficRow):
    """ingest: the origins of exact repeats, and the names of the slices that hold for the row."""

    repeats: list[Origin]
    slices: list[str]


class Sample(TypedDict):
    """One reply of the teacher.

    `logprob` is the sum over its tokens, `structured` whether a response format was asked for, `left_out` the
    sampling settings that the server refuses, and `score` the teacher's own grade."""

    sample: int
    response: str
    finish_reason: str | None
    logprob: NotRequired[float]
    structured: NotRequired[bool]
    left_out: NotRequired[list[str]]
    score: NotRequired[float | None]


class Teacher(TypedDict):
    """Who was asked, under which prompt, schema and settings, and when; one key and time per sample."""

    model: str
    endpoint: str
    prompt_hash: str
    schema_hash: str
    sampling: dict[str, Any]
    rubric_hash: NotRequired[str]
    request_keys: list[str]
    recorded_at: list[str]


class Sampled(TypedDict):
    """What generate adds to a row or to a golden case."""

    samples: list[Sample]
    teacher: Teacher


class SampledRow(IngestedRow, Sampled):
    """generate: the teacher's samples and how they were asked for."""


class UnansweredRow(IngestedRow):
    """generate: a row that got no answer, with the reason."""

    reason: str


class Decision(TypedDict):
    """The answer of the samples, or the `problem` of the first one. `agreement` is a share and `dissent` a
    number of the `valid_samples`. Reading the reply `answer_sample`, the answer, needed the `repairs`."""

    score: NotRequired[float]
    answer: ReadOnly[Answer | None]
    label: ReadOnly[str | None]
    confidence: float | None
    agreement: float
    valid_samples: int
    dissent: int
    answer_sample: int | None
    repairs: list[str]
    problem: Problem | None
    problem_detail: str | None


class AnsweredRow(SampledRow, Decision):
    """validate: one answer from the samples or from a person's review."""

    review: Literal["accept", "edit", "reject"] | None
    edited: bool


class ValidatedRow(AnsweredRow):
    """validate: the status with all its reasons."""

    status: Literal["kept", "rejected", "review"]
    reasons: list[str]


class KeptRow(ValidatedRow):
    """A row with status `kept`, which therefore has an answer."""

    answer: ReadOnly[Answer]
    label: ReadOnly[str]


class Nearest(TypedDict):
    """A row near another, the cosine of both and the overlap of their texts; all None if there is none."""

    id: str | None
    meaning: float | None
    text: float | None


class GroupedRow(KeptRow):
    """dedupe: the near-duplicate group, by the id of its representative. `nearest` is the row that this row
    left for or, if it stays, the most similar row near it, whatever its label."""

    group: str
    nearest: Nearest


class DedupedRow(GroupedRow):
    """dedupe: the representative of a group, with the origins of the rows that it represents."""

    linked: list[Origin]


class Removal(TypedDict):
    """The nearest of the rows that a row left for, which may itself have left by flooding, and why."""

    removed_for: str
    removed_because: Literal["near_duplicate", "flooding"]


class RemovedRow(GroupedRow, Removal):
    """dedupe: a row that left because it is a near-duplicate."""


class FloodedRow(DedupedRow, Removal):
    """dedupe: the representative of a group that left because its source sent too many paraphrases."""


class QuarantineReason(TypedDict):
    """The golden case that a row is too near to; `meaning` is None if the text alone decided, and `text` is
    the share of the shorter text in the longer one for `contained`."""

    id: str
    meaning: float | None
    text: float
    because: Literal["exact", "near", "text", "contained"]


class QuarantinedRow(DedupedRow):
    """split: a row that left because it is too near to a golden case."""

    quarantined_for: QuarantineReason


class RatedRow(DedupedRow):
    """split: the hard slices that hold for the row, and its difficulty from 0 to 1."""

    hard: list[str]
    difficulty: float


class PlacedRow(RatedRow):
    """split: where the row is and why; `component` is the id of the component's earliest row."""

    component: str
    split: SplitName
    split_reason: str


Move = TypedDict("Move", {"id": str, "from": SplitName, "to": SplitName, "because": str})
"""split: a row that a link brought from one split to another, and the row that made the link."""


class Message(TypedDict):
    """One turn of a chat."""

    role: Literal["user", "assistant"]
    content: str


class SplitRow(PlacedRow):
    """split: the row as chat, without the teacher's prompt."""

    messages: list[Message]


class GoldenCase(Input):
    """A checked evaluation case with its answer in canonical form; it never enters training."""

    answer: Answer
    tags: list[str]


class IngestedCase(GoldenCase):
    """ingest: the names of the slices that hold for the case."""

    slices: list[str]


class SampledCase(IngestedCase, Sampled):
    """generate: the teacher's samples; none if the teacher gave no answer."""
