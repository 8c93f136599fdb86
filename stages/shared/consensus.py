"""From several samples to one answer and how far the samples agree on it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from stages.shared.answers import AnswerSpec, Parsed, Problem
from stages.shared.files import Row

# Why a server stopped writing, where it was not the model's own end: the text is no whole answer.
CUT_SHORT: dict[str, Problem] = {"length": "cut_off", "content_filter": "content_filter"}


def parse_sample(sample: Mapping[str, Any], spec: AnswerSpec) -> Parsed:
    """The answer in a sample with `response` and perhaps `finish_reason`; none where the reply was cut
    short."""
    problem = CUT_SHORT.get(sample.get("finish_reason") or "")
    if problem is not None:
        return Parsed(None, problem, f"finish reason {sample['finish_reason']}")
    return spec.parse(sample["response"])


def decide(row: Row, spec: AnswerSpec) -> Row:
    """The row with `answer`, `label`, `confidence`, `agreement` and, where no sample parses, `problem`.

    The answer is the first sample of the largest group that shares label and scored keys; on a tie the group
    of the earliest sample wins. `agreement` is that group's share of all samples, invalid ones included.
    Where the teacher graded its samples, `score` is the lowest grade in that group.
    """
    parsed = [parse_sample(sample, spec) for sample in row["samples"]]
    parsed = parsed or [Parsed(None, "no_answer", "the teacher gave none")]
    valid = [one.answer for one in parsed if one.answer is not None]
    if not valid:
        first = parsed[0]
        nothing = {"answer": None, "label": None, "confidence": None, "agreement": 0.0}
        return row | nothing | {"problem": first.problem, "problem_detail": first.detail}
    votes = Counter(spec.essence(answer) for answer in valid)
    # Counter.most_common is stable: among equals the essence that was seen first leads.
    winner, count = votes.most_common(1)[0]
    answer = next(answer for answer in valid if spec.essence(answer) == winner)
    scores = [
        sample["score"]
        for sample, one in zip(row["samples"], parsed, strict=False)
        if one.answer is not None and spec.essence(one.answer) == winner and sample.get("score") is not None
    ]
    return (
        row
        | ({"score": min(scores)} if scores else {})
        | {
            "answer": answer,
            "label": spec.label(answer),
            "confidence": spec.confidence(answer),
            "agreement": round(count / len(parsed), 4),
            "problem": None,
            "problem_detail": None,
        }
    )
