"""Comparisons of single values: sets, texts, numbers."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptstill.answers.schema.likeness import alike, likeness, set_f1, token_f1, tokens
from promptstill.answers.schema.rules import ValueRules
from promptstill.answers.spec import AnswerSpec
from tests.promptstill.answers.tasks import spec_of

SET, TEXT = ValueRules(compare="set"), ValueRules(compare="text", same_from=0.6)
NUMBER = ValueRules(compare="number", tolerance=0.05)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The fee is $3.40, per a person.", ("fee", "is", "340", "per", "person")),
        ("Don’t enter - NOW!", ("dont", "enter", "now")),
        ("yes\nno\tmaybe\u200b", ("yes", "no", "maybe")),
        ("ＦＵＬＬ ｗｉｄｔｈ", ("full", "width")),
        ("图书馆9点开门。", ("图", "书", "馆", "9", "点", "开", "门")),
        ("عطلة يوم الأحد؟", ("عطلة", "يوم", "الأحد")),
        ("!?", ()),
    ],
)
def test_tokens_are_those_of_squad(text: str, expected: tuple[str, ...]) -> None:
    assert tokens(text) == expected


def test_f1_counts_what_is_shared() -> None:
    assert token_f1("it costs 5 dollars", "5 dollars") == pytest.approx(2 * 2 / 6)
    assert token_f1("no no", "no") == pytest.approx(2 / 3), "a token counts as often as it occurs in both"
    assert token_f1("", "the") == 0.0, "neither has a token"
    assert token_f1("+", "+") == 1.0
    assert token_f1("+", "-") == 0.0
    assert set_f1([1, 3], [3]) == pytest.approx(2 / 3)
    assert set_f1([1, 1, 3], [3, 1]) == 1.0
    assert set_f1([], [1]) == 0.0


@pytest.mark.parametrize(
    ("left", "right", "rules", "expected"),
    [
        ([1, 3], [3, 1], SET, True),
        ([1, 3], [1], SET, False),
        ([], [], SET, True),
        ("It closes at 9:00.", "it closes at 9:00", TEXT, True),
        ("It closes at 9:00.", "It opens on Monday.", TEXT, False),
        (None, None, TEXT, True),
        (None, "", TEXT, False),
        (1.0, 1.05, NUMBER, True),
        (1.0, 1.06, NUMBER, False),
        (True, 1, NUMBER, False),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, ValueRules(), True),
        ("a", "A", ValueRules(), False),
    ],
)
def test_a_key_is_compared_as_its_rules_say(left: Any, right: Any, rules: ValueRules, expected: bool) -> None:
    assert alike(left, right, rules) is expected
    assert alike(right, left, rules) is expected


VALUES = st.none() | st.booleans() | st.integers() | st.text(max_size=12) | st.lists(st.integers(0, 5))


@given(left=VALUES, right=VALUES, rules=st.sampled_from([SET, TEXT, NUMBER, ValueRules()]))
def test_likeness_is_symmetric_and_a_share(left: Any, right: Any, rules: ValueRules) -> None:
    assert 0.0 <= likeness(left, right, rules) == likeness(right, left, rules) <= 1.0
    assert likeness(left, left, rules) == 1.0


CITING = spec_of(
    {"kind": {"enum": ["a", "b"]}, "pages": {"type": "array", "items": {"type": "integer"}}},
    keys={"pages": {"compare": "set"}},
)


@pytest.mark.parametrize(
    ("pages", "expected"),
    [
        ("[3, 1, 3]", [1, 3]),
        ('"[1]"', [1]),
        ('"1, 3"', [1, 3]),
        ('"[1] and [3]"', [1, 3]),
        ('["1", "3"]', [1, 3]),
        ("2", [2]),
        ('""', []),
        ("[[1]]", None),
        ('"page 1"', None),
        ("[1.5]", None),
        ("null", None),
    ],
)
def test_lists_of_numbers_are_brought_into_one_form(pages: str, expected: list[int] | None) -> None:
    parsed = CITING.parse(f'{{"kind": "a", "pages": {pages}}}')
    if expected is None:
        assert parsed.problem == "schema_mismatch"
    else:
        assert parsed.answer == {"kind": "a", "pages": expected}
        assert parsed.repairs


def test_a_list_that_is_compared_in_order_keeps_it() -> None:
    spec: AnswerSpec = spec_of(
        {"kind": {"enum": ["a"]}, "steps": {"type": "array", "items": {"type": "integer"}}}
    )
    assert spec.parse('{"kind": "a", "steps": [3, 1, 3]}').answer == {"kind": "a", "steps": [3, 1, 3]}
