"""From several samples to one answer, and how far the samples agree on it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

from promptstill.answers.schema.compare import compared_keys, same, value_likeness
from promptstill.answers.spec import AnswerSpec, Parsed
from promptstill.rows.row import Answer, Decision, Problem, Sample

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


def agreeing(answers: Sequence[Answer], spec: AnswerSpec) -> list[int]:
    """Positions of the answers that agree, in the largest group: those that are the same as one of them.

    The answer that represents the group comes first: it is the most like the others. Of equal groups, and of
    equally good representatives, the earliest wins.
    """
    # Most samples are equal, and to compare them key by key takes several times as long.
    if all(answer == answers[0] for answer in answers):
        return list(range(len(answers)))
    groups = [[i for i, other in enumerate(answers) if same(answer, other, spec)] for answer in answers]
    group = max(groups, key=len)
    return sorted(group, key=lambda i: (-_closeness(answers[i], [answers[j] for j in group], spec), i))


def decide(samples: Sequence[Sample], spec: AnswerSpec, read: Read | None = None) -> Decision:
    """One answer from several samples.

    The answer represents the largest group of samples that agree; `agreeing` says which sample that is. A
    sample that does not parse has no vote: `agreement` is that group's share of the valid samples, and
    `dissent` counts the valid samples outside it. `score` is the lowest grade in that group, if the teacher
    graded its samples. `read` is a `reader` that several calls share.
    """
    read = read or reader(spec)
    parsed = [read(sample["response"], sample["finish_reason"]) for sample in samples]
    valid = [(i, reply.answer) for i, reply in enumerate(parsed) if reply.answer is not None]
    if not valid:
        unread = parsed[0] if parsed else Parsed(None, "no_answer", "the teacher gave none")
        return {
            "answer": None,
            "label": None,
            "confidence": None,
            "agreement": 0.0,
            "valid_samples": 0,
            "dissent": 0,
            "answer_sample": None,
            "repairs": [],
            "problem": unread.problem,
            "problem_detail": unread.detail,
        }
    group = [valid[position] for position in agreeing([answer for _, answer in valid], spec)]
    first, answer = group[0]
    decision: Decision = {
        "answer": answer,
        "label": spec.label(answer),
        "confidence": spec.confidence(answer),
        "agreement": round(len(group) / len(valid), 4),
        "valid_samples": len(valid),
        "dissent": len(valid) - len(group),
        "answer_sample": samples[first]["sample"],
        "repairs": list(parsed[first].repairs),
        "problem": None,
        "problem_detail": None,
    }
    scores = [score for i, _ in group if (score := samples[i].get("score")) is not None]
    return {"score": min(scores), **decision} if scores else decision


def _closeness(answer: Answer, others: Sequence[Answer], spec: AnswerSpec) -> float:
    """The sum of how alike an answer is to others, over the compared keys."""
    return sum(value_likeness(answer, other, key, spec) for other in others for key in compared_keys(spec))
