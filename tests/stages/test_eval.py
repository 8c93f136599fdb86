"""eval: scores, intervals, tables and the majority answer."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from promptstill.answers.classes import INVALID, OTHER_TEXT
from promptstill.answers.classes import TEXT as OPEN
from promptstill.answers.spec import AnswerSpec, Normalisation
from promptstill.rows.row import Answer
from stages.eval.baselines import majority_answer
from stages.eval.intervals import interval, wilson
from stages.eval.scores import (
    Judged,
    agreement,
    confusion,
    label_table,
    scores,
    slice_rows,
    slice_table,
)
from tests.project import JSON_SCHEMA, TEXT_SCHEMA

TEXT = AnswerSpec(TEXT_SCHEMA, Normalisation(format="text"))
JSON = AnswerSpec(
    JSON_SCHEMA, Normalisation(format="json", label="colour", scored={"alarm": "alarm_accuracy"})
)

NUMBERS = itertools.count()


def judged(truth: Answer, answer: Answer | None, *slices: str) -> Judged:
    return Judged("a text", truth, answer, slices, f"case-{next(NUMBERS)}")


@pytest.mark.parametrize(
    ("hits", "count", "low", "high"),
    # Newcombe (1998), Statistics in Medicine 17, table I: 81 of 263, 15 of 148, 0 of 20, 1 of 29.
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_intervals_are_those_of_the_literature(hits: int, count: int, low: float, high: float) -> None:
    assert wilson(hits, count, 0.95) == pytest.approx((low, high), abs=1e-4)


def test_no_case_gives_the_widest_interval() -> None:
    assert wilson(0, 0, 0.95) == (0.0, 1.0)


def test_dependent_rows_widen_the_interval() -> None:
    # 12 components of 8 rows each, of which the first two are wrong as a whole.
    right = [i >= 16 for i in range(96)]
    alone = interval(right, [str(i) for i in range(96)], 0.95)
    together = interval(right, [str(i // 8) for i in range(96)], 0.95)
    assert alone == wilson(80, 96, 0.95)
    # Of 12 independent observations with 10 hits, the percentile bootstrap gives 7/12 to 1.
    assert together == pytest.approx((7 / 12, 1.0), abs=0.01)
    shuffled = interval(right[::-1], [str(i // 8) for i in range(96)][::-1], 0.95)
    assert shuffled == together, "the order of the cases does not matter"


@pytest.mark.parametrize("components", [["a"] * 6, ["a", "a", "b", "b", "c", "c"]])
def test_few_components_count_as_so_many_observations(components: list[str]) -> None:
    count = len(set(components))
    assert interval([True] * 3 + [False] * 3, components, 0.95) == wilson(count / 2, count, 0.95)


def test_components_that_are_all_right_do_not_promise_certainty() -> None:
    low, high = interval([True] * 40, [str(i // 2) for i in range(40)], 0.95)
    assert (low, high) == wilson(20, 20, 0.95)
    assert low < 0.9


def test_labels_that_are_texts_stay_out_of_the_tables() -> None:
    open_text = AnswerSpec({"type": "string"}, Normalisation(format="text"))
    cases = [
        judged("a customer's words", "a customer's words"),
        judged("more", "words"),
        judged("more", None),
    ]
    assert confusion(cases, open_text) == [(OPEN, OPEN), (OPEN, OTHER_TEXT), (OPEN, INVALID)]
    assert [line[0] for line in label_table(cases, open_text, 0.95)] == [OPEN]


@pytest.mark.parametrize(
    ("label", "is_open"),
    [
        ({"type": "string"}, True),
        ({"type": "array", "items": {"type": "string"}}, True),
        ({}, True),
        ({"type": ["string", "null"]}, True),
        ({"enum": ["a", "b"]}, False),
        ({"type": ["integer", "null"]}, False),
        ({"$ref": "#/$defs/colour"}, False),
    ],
)
def test_a_label_that_can_hold_text_is_open(label: dict[str, Any], is_open: bool) -> None:
    schema = {"type": "object", "properties": {"x": label}, "$defs": {"colour": {"enum": ["red"]}}}
    assert AnswerSpec(schema, Normalisation(format="json", label="x")).open_labels is is_open


def test_the_majority_answer_is_the_most_frequent_value_of_each_key() -> None:
    answers: list[Answer] = [
        {"colour": "red", "sure": 0.9, "alarm": None},
        {"colour": "blue", "sure": 0.9, "alarm": None},
        {"colour": "red", "sure": 0.5, "alarm": "fire"},
    ]
    assert majority_answer(answers, JSON) == {"colour": "red", "alarm": None}
    absent: list[Answer] = [{"colour": "red", "sure": 0.9}, *answers]
    assert majority_answer(absent, JSON) == {"colour": "red", "alarm": None}, "a key may be absent"
    assert majority_answer(["red", "blue"], TEXT) == "blue", "a tie goes to the first in order"


def test_slices_show_every_contestant_and_the_number_of_cases() -> None:
    rows = slice_rows(
        {"student": [judged("red", "red", "short")], "majority": [judged("red", "blue", "short")]}, TEXT, 0.95
    )
    assert [row[:5] for row in rows[2:]] == [
        ("short", 1, "short (1)", "student", 1.0),
        ("short", 1, "short (1)", "majority", 0.0),
    ]


def test_an_invalid_answer_is_wrong_everywhere() -> None:
    cases = [judged("red", "red"), judged("blue", "red"), judged("blue", None), judged("blue", "blue")]
    metrics = scores(cases, TEXT, 0.95)
    assert (metrics["accuracy"], metrics["valid"], metrics["n"]) == (0.5, 0.75, 4)
    # red: precision 1/2, recall 1; blue: precision 1, recall 1/3.
    assert metrics["macro_f1"] == pytest.approx((2 / 3 + 1 / 2) / 2, abs=1e-4)
    assert metrics["accuracy_low"] < 0.5 < metrics["accuracy_high"]
    assert confusion(cases, TEXT)[2] == ("blue", INVALID)


def test_further_scored_keys_have_their_own_accuracy() -> None:
    right = {"colour": "red", "sure": 0.9, "alarm": None}
    cases = [judged(right, right), judged(right, right | {"alarm": "fire"}), judged(right, None)]
    metrics = scores(cases, JSON, 0.95)
    assert metrics["accuracy"] == pytest.approx(2 / 3, abs=1e-4)
    assert metrics["alarm_accuracy"] == pytest.approx(1 / 3, abs=1e-4)
    assert metrics["alarm_accuracy_low"] < metrics["alarm_accuracy"] < metrics["alarm_accuracy_high"]


def test_agreement_needs_two_valid_answers() -> None:
    left = [judged("red", "red"), judged("red", None), judged("red", "blue")]
    right = [judged("red", "red"), judged("red", None), judged("red", "red")]
    assert agreement(left, right, TEXT) == pytest.approx(1 / 3, abs=1e-4)


def test_tables_by_label_and_by_slice() -> None:
    cases = [judged("red", "red", "short"), judged("red", "blue"), judged("blue", "blue", "short")]
    whole, half = wilson(1, 1, 0.95), wilson(1, 2, 0.95)
    assert label_table(cases, TEXT, 0.95) == [
        ("blue", 0.5, *half, 1.0, *whole, 0.6667, 1),
        ("red", 1.0, *whole, 0.5, *half, 0.6667, 2),
    ]
    never = label_table(cases[1:2], TEXT, 0.95)
    assert never == [("red", 0.0, 0.0, 1.0, 0.0, *wilson(0, 1, 0.95), 0.0, 1)]
    assert [(score.name, score.cases, score.accuracy) for score in slice_table(cases, TEXT, 0.95)] == [
        ("all", 3, 0.6667),
        ("short", 2, 1.0),
    ]
