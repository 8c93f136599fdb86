"""Greedy replies and their probability."""

from __future__ import annotations

import pytest

from promptstill.models.student import load_base, load_tokenizer
from stages.eval.replies import generate_replies
from tests.project import row


def test_greedy_replies_are_in_order_and_have_their_probability(tiny: str) -> None:
    model, tokenizer = load_base(tiny), load_tokenizer(tiny)
    texts = [row(i)["input"] for i in range(20)]
    together = generate_replies(texts, model, tokenizer, 16, 4)
    assert all(0 <= reply.confidence <= 1 for reply in together)
    alone = [generate_replies([text], model, tokenizer, 16, 4)[0] for text in texts[:3]]
    for single, other in zip(alone, together, strict=False):
        assert single.text == other.text
        assert single.confidence == pytest.approx(other.confidence, abs=1e-3)
