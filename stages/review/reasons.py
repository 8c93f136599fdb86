"""Why a row is worth a look, and how probable it is that a person corrects it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from promptstill.answers.citing import free_keys, free_text
from promptstill.answers.schema.compare import same
from promptstill.answers.spec import AnswerSpec
from promptstill.reviews.decisions import CONTRADICTED, FLAGS, OTHER_ROW, TEXT_CHANGED, Review
from promptstill.rows.row import ValidatedRow

UNREADABLE, REPAIRED, RARE, LENGTH, GRADE, UNSURE = (
    "unreadable_reply",
    "repaired_reply",
    "rare_label",
    "unusual_length",
    "low_grade",
    "low_confidence",
)
CONFLICT, SUSPECTED, DISAGREES, SECOND, CHANCE = (
    "answer_conflict",
    "suspected_error",
    "student_disagrees",
    "second_look",
    "chance",
)
# Shares of such rows that are wrong, as a first guess. What people decide moves them; see `Risks`.
FIRST_GUESS = {
    CONTRADICTED: 0.6,
    DISAGREES: 0.4,
    CONFLICT: 0.4,
    SUSPECTED: 0.3,
    GRADE: 0.3,
    UNSURE: 0.2,
    TEXT_CHANGED: 0.3,
    OTHER_ROW: 0.3,
    LENGTH: 0.1,
    REPAIRED: 0.05,
    RARE: 0.05,
    SECOND: 0.05,
    CHANCE: 0.01,
}
# Of a reply that is no answer, and of what a suite sends to review.
OF_NO_ANSWER, OF_A_FILTER = 0.9, 0.5
# Decisions that a first guess is worth.
GUESSED = 10
# Labels are rare if all of them together have no more than this share of the kept rows.
RARE_SHARE = 0.05
# Robust z-score from which a length is unusual (Iglewicz and Hoaglin 1993, "modified z-score" of 3.5).
UNUSUAL = 3.5
# Share of the rows with the lowest grades, or the lowest confidence that the teacher states, that have a low
# one.
LOWEST = 0.05


class Usual:
    """What the kept rows of a task are like: their labels, the lengths of their free texts, their grades."""

    def __init__(self, rows: Iterable[ValidatedRow], spec: AnswerSpec) -> None:
        self._spec = spec
        self._free = bool(free_keys(spec))
        labels: Counter[str] = Counter()
        lengths, grades, sure = list[float](), list[float](), list[float]()
        for row in rows:
            if row["status"] != "kept":
                continue
            labels[str(row["label"])] += 1
            if (length := self._length(row)) is not None:
                lengths.append(length)
            if "score" in row:
                grades.append(row["score"])
            if row["confidence"] is not None:
                sure.append(row["confidence"])
        self.rare = _rarest(labels)
        self._middle = float(np.median(lengths)) if lengths else 0.0
        # The mean absolute deviation stands in where more than half of the lengths are equal.
        away = np.abs(np.array(lengths) - self._middle)
        spread = (float(np.median(away)) / 0.6745 or float(away.mean()) * 1.2533) if lengths else 0.0
        self._limit = UNUSUAL * spread if spread else math.inf
        self._grade, self._sure = _low(grades), _low(sure)

    def reasons(self, row: ValidatedRow) -> list[str]:
        """Reasons that the row itself gives. A row without any can still get some from others."""
        if row["review"] is not None:
            return [flag for flag in FLAGS if flag in row["reasons"]]
        if row["status"] == "rejected":
            return [UNREADABLE] if row["problem"] is not None else []
        length = self._length(row)
        return [
            *(row["reasons"] if row["status"] == "review" else []),
            *([REPAIRED] if row["repairs"] else []),
            *([RARE] if row["label"] in self.rare else []),
            *([LENGTH] if length is not None and abs(length - self._middle) > self._limit else []),
            *([GRADE] if row.get("score", math.inf) <= self._grade else []),
            *([UNSURE] if row["confidence"] is not None and row["confidence"] <= self._sure else []),
        ]

    def _length(self, row: ValidatedRow) -> float | None:
        """The logarithm of the characters of the answer's free texts; None for none."""
        answer = row["answer"]
        text = free_text(answer, self._spec) if self._free and answer is not None else ""
        return math.log(len(text)) if text else None


def _low(values: Sequence[float]) -> float:
    """The value up to which one is low. Where many have the lowest one, none is low."""
    if not values:
        return -math.inf
    lowest = float(np.quantile(values, LOWEST, method="lower"))
    share = sum(value <= lowest for value in values) / len(values)
    return lowest if share <= 2 * LOWEST else -math.inf


def _rarest(labels: Mapping[str, int]) -> frozenset[str]:
    left, rare = RARE_SHARE * sum(labels.values()), list[str]()
    for label, count in sorted(labels.items(), key=lambda item: (item[1], item[0])):
        left -= count
        if left < 0:
            break
        rare.append(label)
    return frozenset(rare)


class Risks:
    """The probability that a person corrects a row, from its reasons. It begins with a first guess for each
    reason, and every decision about a row with that reason counts beside the guess."""

    def __init__(self, reviews: Iterable[Review], spec: AnswerSpec) -> None:
        self._decided: Counter[str] = Counter()
        self._corrected: Counter[str] = Counter()
        for review in reviews:
            self._decided.update(review.reasons)
            if corrects(review, spec):
                self._corrected.update(review.reasons)

    def of_reason(self, reason: str) -> float:
        """The share of rows with a reason that are corrected."""
        guess = OF_NO_ANSWER if reason == UNREADABLE else FIRST_GUESS.get(reason, OF_A_FILTER)
        return (guess * GUESSED + self._corrected[reason]) / (GUESSED + self._decided[reason])

    def of(self, reasons: Sequence[str]) -> float:
        """The probability that at least one reason holds, as if they were independent."""
        return round(1 - math.prod(1 - self.of_reason(reason) for reason in reasons), 4)


def corrects(review: Review, spec: AnswerSpec) -> bool:
    """Whether a person decided something else than the teacher had answered."""
    if review.decision == "reject" or review.teacher_answer is None:
        return review.decision != "accept"
    return not same(review.answer, review.teacher_answer, spec)
