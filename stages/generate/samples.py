"""What generate adds to a row: the teacher's replies, and everything that is known about how it was asked."""

from __future__ import annotations

from promptstill.core.files import canonical_hash
from promptstill.rows.row import Input, Sample, Sampled, Teacher
from promptstill.teacher.budget import Tally
from promptstill.teacher.questions import Inquiry, Questions, Request


def teacher_of(questions: Questions) -> Teacher:
    """What is the same for every row: who was asked, and under which prompt, schema and settings."""
    settings = questions.settings
    teacher: Teacher = {
        "model": settings.model,
        "endpoint": settings.endpoint,
        "prompt_hash": questions.prompt_hash,
        "schema_hash": canonical_hash(questions.spec.schema),
        "sampling": settings.sampling.model_dump(),
        "request_keys": [],
        "recorded_at": [],
    }
    if questions.rubric is None:
        return teacher
    return {**teacher, "rubric_hash": canonical_hash(questions.rubric)}


def sampled(inquiry: Inquiry[Input], teacher: Teacher, tally: Tally) -> Sampled:
    """The samples of a row whose replies are all known; `tally` counts every reply that they are made of."""
    known, asked = inquiry.known, inquiry.samples()
    graded = {grade.key for grade in inquiry.grades()}
    for key in [*(request.key for request in asked), *sorted(graded)]:
        tally.add(known[key])
    return {
        "samples": [sample_of(inquiry, request) for request in asked],
        "teacher": {
            **teacher,
            "request_keys": [request.key for request in asked],
            "recorded_at": [known[request.key]["recorded_at"] for request in asked],
        },
    }


def sample_of(inquiry: Inquiry[Input], request: Request) -> Sample:
    """The reply to a request of the inquiry, which must be known, as a sample of the row."""
    record = inquiry.known[request.key]
    sample: Sample = {
        "sample": request.sample,
        "response": record["response"],
        "finish_reason": record.get("finish_reason"),
    }
    if "logprobs" in record:
        sample = {**sample, "logprob": round(sum(record["logprobs"]), 4)}
    if "structured" in record:
        sample = {**sample, "structured": record["structured"]}
    if "left_out" in record:
        sample = {**sample, "left_out": record["left_out"]}
    if inquiry.questions.rubric is not None:
        sample = {**sample, "score": inquiry.score(request)}
    return sample
