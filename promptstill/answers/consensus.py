"""From several samples to one answer, and how far the samples agree on it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import lru_cache

from promptstill.answers.compare import essence
from promptstill.answers.spec import AnswerSpec, Parsed
from promptstill.rows.row import Decision, Problem, Sample

# Replies that a reader remembers.
REMEMBERED = 2_048
# Why a server stopped writing before the model's own end: the text is not a whole answer.
CUT_SHORT: dict[str, Problem] = {"length": "cut_off", "content_filter": "content_filter"}


def parse_reply(response: str, finish_reason: str | None, spec: AnswerSpec) -> Parsed:
    """The answer in a reply; none if the reply was cut short."""
    problem = CUT_SHORT.get(finish_reason or "")
    if problem is not None:
        return Parsed(None, problem, f"finish reason {finish_reason}")
    return spec.parse(response)


Read = Callable[[str, str | None], Parsed]


def reader(spec: AnswerSpec) -> Read:
    """`parse_reply` that remembers the latest replies: where answers are labels, few are new."""
    return lru_cache(REMEMBERED)(lambda response, finish_reason: parse_reply(response, finish_reason, spec))


def decide(samples: Sequence[Sample], spec: AnswerSpec, read: Read | None = None) -> Decision:
    """One answer from several samples.

    The answer is the first sample of the largest group of samples that are the same; of equal groups, the one
    with the earliest sample wins. A sample that does not parse has no vote: `agreement` is that group's share
    of the valid samples, and `dissent` counts the valid samples outside it. `score` is the lowest grade in
    that group, if the teacher graded its samples. `read` is a `reader` that several calls share.
    """
    read = read or reader(spec)
    parsed = [read(sample["response"], sample["finish_reason"]) for sample in samples]
    essences = [None if reply.answer is None else essence(reply.answer, spec) for reply in parsed]
    votes = Counter(vote for vote in essences if vote is not None)
    if not votes:
        first = parsed[0] if parsed else Parsed(None, "no_answer", "the teacher gave none")
        return {
            "answer": None,
            "label": None,
            "confidence": None,
            "agreement": 0.0,
            "valid_samples": 0,
            "dissent": 0,
            "answer_sample": None,
            "repairs": [],
            "problem": first.problem,
            "problem_detail": first.detail,
        }
    # Counter.most_common is stable: of equal groups, the one that was seen first leads.
    winner, count = votes.most_common(1)[0]
    group = [i for i, vote in enumerate(essences) if vote == winner]
    valid = votes.total()
    answer = parsed[group[0]].answer
    assert answer is not None
    decision: Decision = {
        "answer": answer,
        "label": spec.label(answer),
        "confidence": spec.confidence(answer),
        "agreement": round(count / valid, 4),
        "valid_samples": valid,
        "dissent": valid - count,
        "answer_sample": samples[group[0]]["sample"],
        "repairs": list(parsed[group[0]].repairs),
        "problem": None,
        "problem_detail": None,
    }
    scores = [score for i in group if (score := samples[i].get("score")) is not None]
    return {"score": min(scores), **decision} if scores else decision
