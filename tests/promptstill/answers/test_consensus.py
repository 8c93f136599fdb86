"""Consensus: one answer from several samples."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptstill.answers.consensus import decide
from promptstill.answers.spec import AnswerSpec, Normalisation
from tests.project import TEXT_SCHEMA
from tests.rows import sampled_row

SPEC = AnswerSpec(TEXT_SCHEMA, Normalisation(format="text"))


@pytest.mark.parametrize(
    ("replies", "answer", "agreement", "valid", "dissent"),
    [
        (["red", "red"], "red", 1.0, 2, 0),
        (["red", "blue"], "red", 0.5, 2, 1),
        (["blue", "red", "red"], "red", 0.6667, 3, 1),
        (["nonsense", "red"], "red", 1.0, 1, 0),
        (["nonsense", "blue", "red", "red"], "red", 0.6667, 3, 1),
        (["nonsense", "none"], None, 0.0, 0, 0),
    ],
)
def test_the_largest_group_of_samples_wins(
    replies: list[str], answer: str | None, agreement: float, valid: int, dissent: int
) -> None:
    decided = decide(sampled_row(0, *replies)["samples"], SPEC)
    assert (decided["answer"], decided["agreement"]) == (answer, agreement)
    assert (decided["valid_samples"], decided["dissent"]) == (valid, dissent)
    assert decided["answer_sample"] == (None if answer is None else replies.index(answer))


@given(replies=st.lists(st.sampled_from(["red", "green", "blue", "?"]), min_size=1, max_size=6))
def test_the_answer_is_one_of_the_samples_and_none_has_more_votes(replies: list[str]) -> None:
    decided = decide(sampled_row(0, *replies)["samples"], SPEC)
    if set(replies) == {"?"}:
        assert decided["answer"] is None
    else:
        assert isinstance(decided["answer"], str)
        assert decided["answer"] in replies
        assert all(
            replies.count(decided["answer"]) >= replies.count(other) for other in replies if other != "?"
        )
        valid = len(replies) - replies.count("?")
        agree = replies.count(decided["answer"])
        assert decided["agreement"] == round(agree / valid, 4)
        assert (decided["valid_samples"], decided["dissent"]) == (valid, valid - agree)


def test_no_sample_is_no_answer() -> None:
    decided = decide([], SPEC)
    assert (decided["answer"], decided["agreement"], decided["problem"]) == (None, 0.0, "no_answer")


def test_a_reply_that_was_cut_short_is_no_answer() -> None:
    (sample,) = sampled_row(0, "red")["samples"]
    decided = decide([{**sample, "finish_reason": "length"}, sample], SPEC)
    assert (decided["answer"], decided["agreement"], decided["valid_samples"]) == ("red", 1.0, 1)
    assert decide([{**sample, "finish_reason": "length"}], SPEC)["problem"] == "cut_off"
