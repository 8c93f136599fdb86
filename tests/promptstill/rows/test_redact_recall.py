"""Redaction over placements in 16 scripts: nothing leaks, and little else is replaced."""

from __future__ import annotations

from collections import Counter

from promptstill.rows.redact import find
from tests.promptstill.rows.placements import AROUND, KINDS, measure, placements

REGIONS = ("US", "GB", "DE")


def test_no_value_leaks_and_few_lookalikes_are_replaced() -> None:
    placed = placements()
    assert Counter(placement.kind for placement in placed) == {
        **dict.fromkeys(KINDS, len(AROUND) * 38),
        "": 1312,
    }
    scores = measure((placement, find(placement.text, KINDS, REGIONS)) for placement in placed)
    for kind, score in scores.items():
        assert (kind, score.values - score.hidden) == (kind, 0)
        # Bare numbers of orders can be phone numbers of the regions.
        assert (kind, score.right / score.spans) >= (kind, 0.92 if kind == "phone" else 0.99)
