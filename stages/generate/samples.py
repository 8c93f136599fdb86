"""A row with what the teacher said about it, and all that is known about how it was asked."""

from __future__ import annotations

from typing import Any

from stages.generate.budget import Tally
from stages.generate.questions import Inquiry, Questions
from stages.shared.files import Row, canonical_hash


def teacher_facts(questions: Questions) -> dict[str, Any]:
    """What is the same for every row: who was asked, and under which prompt, schema and settings."""
    params = questions.params
    facts = {
        "model": params.model,
        "endpoint": params.endpoint,
        "prompt_hash": questions.prompt_hash,
        "schema_hash": canonical_hash(questions.spec.schema),
        "sampling": params.sampling.model_dump(),
    }
    if questions.rubric is not None:
        facts["rubric_hash"] = canonical_hash(questions.rubric)
    return facts


def with_samples(inquiry: Inquiry, facts: dict[str, Any], tally: Tally) -> Row:
    """The row with `samples` and `teacher`; every answer that went into it is counted in `tally`.

    A sample holds `response` and `finish_reason`; `logprob`, the sum over its tokens, where the server gives
    them; `structured` where a response format was asked for; and `score` where the teacher grades itself.
    """
    known, asked = inquiry.known, inquiry.samples()
    graded = {grade.key for grade in inquiry.grades()}
    for key in [*(one.key for one in asked), *sorted(graded)]:
        tally.add(known[key])
    samples = []
    for request in asked:
        record = known[request.key]
        sample = {
            "sample": request.sample,
            "response": record["response"],
            "finish_reason": record.get("finish_reason"),
        }
        if "logprobs" in record:
            sample["logprob"] = round(sum(record["logprobs"]), 4)
        if "structured" in record:
            sample["structured"] = record["structured"]
        if inquiry.questions.rubric is not None:
            sample["score"] = inquiry.score(request)
        samples.append(sample)
    keys = {"request_keys": [one.key for one in asked]}
    times = {"recorded_at": [known[one.key]["recorded_at"] for one in asked]}
    return inquiry.row | {"samples": samples, "teacher": facts | keys | times}


def without_samples(row: Row, facts: dict[str, Any]) -> Row:
    """A golden case that the teacher gave no answer to: it stays, and counts as not answered."""
    return row | {"samples": [], "teacher": facts | {"request_keys": [], "recorded_at": []}}
