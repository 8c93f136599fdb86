"""From several samples to one answer and how far the samples agree on it."""

from __future__ import annotations

from collections import Counter

from stages.shared.answers import AnswerSpec
from stages.shared.files import Row


def decide(row: Row, spec: AnswerSpec) -> Row:
    """The row with `answer`, `label`, `confidence`, `agreement` and, where no sample parses, `problem`.

    The answer is the first sample of the largest group that shares label and scored keys; on a tie the group
    of the earliest sample wins. `agreement` is that group's share of all samples, invalid ones included.
    """
    parsed = [spec.parse(sample["response"]) for sample in row["samples"]]
    valid = [one.answer for one in parsed if one.answer is not None]
    if not valid:
        first = parsed[0]
        nothing = {"answer": None, "label": None, "confidence": None, "agreement": 0.0}
        return row | nothing | {"problem": first.problem, "problem_detail": first.detail}
    votes = Counter(spec.essence(answer) for answer in valid)
    # Counter.most_common is stable: among equals the essence that was seen first leads.
    winner, count = votes.most_common(1)[0]
    answer = next(answer for answer in valid if spec.essence(answer) == winner)
    return row | {
        "answer": answer,
        "label": spec.label(answer),
        "confidence": spec.confidence(answer),
        "agreement": round(count / len(parsed), 4),
        "problem": None,
        "problem_detail": None,
    }
