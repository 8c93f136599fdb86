"""How far two people agree who decided the same rows, the second without seeing the first decision."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from promptstill.answers.spec import AnswerSpec
from promptstill.reviews.decisions import Review
from stages.review.second import Looks, agree


@dataclass(frozen=True)
class Agreement:
    """Rows with a second look, the share of them on which both said the same, Cohen's kappa of the labels,
    and the pairs of decisions that differ and that nobody has settled. Kappa is None where chance alone would
    agree always."""

    rows: int
    share: float | None
    kappa: float | None
    open: Sequence[tuple[Review, Review]]

    @classmethod
    def of(cls, looked_at: Sequence[Looks], spec: AnswerSpec) -> Self:
        """From the decisions about each row that has a second look."""
        from sklearn.metrics import cohen_kappa_score

        pairs = [(looks, pair) for looks in looked_at if (pair := looks.pair) is not None]
        if not pairs:
            return cls(0, None, None, [])
        same = [agree(*pair, spec) for _, pair in pairs]
        first, second = ([_label(pair[i], spec) for _, pair in pairs] for i in (0, 1))
        kappa = float(cohen_kappa_score(first, second)) if len({*first, *second}) > 1 else math.nan
        return cls(
            len(pairs),
            round(sum(same) / len(pairs), 4),
            None if math.isnan(kappa) else round(kappa, 4),
            [
                pair
                for (looks, pair), equal in zip(pairs, same, strict=True)
                if not equal and not looks.is_settled
            ],
        )


def _label(review: Review, spec: AnswerSpec) -> str:
    """The class that a decision puts a row into. No label has the empty text."""
    return "" if review.decision == "reject" else spec.label(review.answer)
