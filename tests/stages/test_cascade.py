"""eval: the student answers what it is sure of, and the teacher the rest."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.eval.cascade import (
    MOST_POINTS,
    Case,
    agreement_with_itself,
    at_threshold,
    choose,
    curve,
)
from stages.eval.intervals import interval, wilson

CONFIDENCES = st.none() | st.integers(0, 10).map(lambda tenth: tenth / 10)
CASES = st.lists(
    st.builds(
        Case,
        confidence=CONFIDENCES,
        right=st.booleans(),
        teacher_right=st.booleans(),
        component=st.sampled_from("abcdefghijklmnop"),
        teacher_tokens=st.integers(1, 500),
    ),
    min_size=1,
    max_size=60,
)


def case(confidence: float | None, right: bool, teacher_right: bool = True, component: str = "") -> Case:
    return Case(confidence, right, teacher_right, component or f"{confidence}", 100)


SURE_IS_RIGHT = [case(0.9, True), case(0.8, True), case(0.7, False), case(0.6, True), case(0.5, False)]


def test_points_go_from_the_surest_case_to_all_of_them() -> None:
    points = curve(SURE_IS_RIGHT, 0.95)
    assert [(point.coverage, point.threshold) for point in points] == [
        (0.2, 0.9),
        (0.4, 0.8),
        (0.6, 0.7),
        (0.8, 0.6),
        (1.0, 0.5),
    ]
    assert [point.accuracy for point in points] == [1.0, 1.0, 0.6667, 0.75, 0.6]
    assert [point.overall for point in points] == [1.0, 1.0, 0.8, 0.8, 0.6]
    assert (points[2].low, points[2].high) == wilson(2, 3, 0.95)


def test_cases_of_equal_confidence_are_answered_together() -> None:
    tied = [case(0.9, True), case(0.9, False), case(0.5, True)]
    assert [(point.coverage, point.accuracy) for point in curve(tied, 0.95)] == [
        (0.6667, 0.5),
        (1.0, 0.6667),
    ]
    assert choose(tied, 0.6) == 0.5, "the surest answer alone is no choice"
    assert choose(tied, 0.7) is None


def test_a_case_without_a_valid_answer_is_always_sent() -> None:
    cases = [case(0.9, True), case(None, False)]
    assert [(point.coverage, point.overall) for point in curve(cases, 0.95)] == [(0.5, 1.0)]
    assert at_threshold(cases, 0.0, 0.95, None)["answered"] == 1
    assert curve([case(None, False)], 0.95) == []
    assert choose([case(None, False)], 0.0) is None


def test_the_lowest_confidence_that_is_accurate_enough_is_chosen() -> None:
    # The accuracy falls to 0.6667 at 0.7, and rises again.
    assert choose(SURE_IS_RIGHT, 0.75) == 0.6
    assert choose(SURE_IS_RIGHT, 1.0) == 0.8
    assert choose(SURE_IS_RIGHT, 0.6) == 0.5


@pytest.mark.parametrize(("right", "chosen"), [(True, 0.5), (False, None)])
def test_a_student_that_is_always_right_or_always_wrong(right: bool, chosen: float | None) -> None:
    cases = [case(confidence, right) for confidence in (0.9, 0.7, 0.5)]
    assert choose(cases, 0.9) == chosen
    assert {point.accuracy for point in curve(cases, 0.95)} == {float(right)}


def test_cases_of_one_component_show_little() -> None:
    cases = [case(0.9 - i / 100, True, component="one") for i in range(20)]
    assert (curve(cases, 0.95)[-1].low, curve(cases, 0.95)[-1].high) == wilson(1, 1, 0.95)


def test_a_threshold_has_its_coverage_accuracy_and_savings() -> None:
    assert at_threshold(SURE_IS_RIGHT, 0.7, 0.95, 0.002) == {
        "n": 5,
        "answered": 3,
        "coverage": 0.6,
        "accuracy": 0.6667,
        "low": wilson(2, 3, 0.95)[0],
        "high": wilson(2, 3, 0.95)[1],
        "overall": 0.8,
        "tokens_saved_per_thousand": 60_000,
        "usd_saved_per_thousand": 1.2,
    }


def test_only_what_the_student_answers_is_saved() -> None:
    cases = [Case(0.9, True, True, "a", 50), Case(0.1, True, True, "b", 1000)]
    assert at_threshold(cases, 0.5, 0.95, None)["tokens_saved_per_thousand"] == 25_000


def test_money_that_is_not_known_is_not_zero() -> None:
    assert at_threshold(SURE_IS_RIGHT, 0.7, 0.95, None)["usd_saved_per_thousand"] is None
    assert at_threshold(SURE_IS_RIGHT, 0.7, 0.95, 0.0)["usd_saved_per_thousand"] == 0.0


def test_a_threshold_above_every_confidence_sends_everything() -> None:
    result = at_threshold(SURE_IS_RIGHT, 0.95, 0.95, 0.002)
    assert (result["coverage"], result["overall"], result["tokens_saved_per_thousand"]) == (0.0, 1.0, 0)
    assert (result["accuracy"], result["low"], result["high"]) == (None, None, None)
    assert result["usd_saved_per_thousand"] == 0.0


def test_the_teacher_agrees_with_itself_only_where_it_was_asked_twice() -> None:
    assert agreement_with_itself([], [], 0.95) is None
    low, high = interval([True, True, False], ["a", "a", "b"], 0.95)
    assert agreement_with_itself([True, True, False], ["a", "a", "b"], 0.95) == {
        "share": 0.6667,
        "low": low,
        "high": high,
        "n": 3,
    }


def test_a_long_curve_keeps_its_ends() -> None:
    cases = [case(i / 1000, i % 3 > 0) for i in range(1000)]
    points = curve(cases, 0.95)
    assert len(points) == MOST_POINTS
    assert (points[0].threshold, points[-1].threshold, points[-1].coverage) == (0.999, 0.0, 1.0)


@given(CASES)
def test_points_are_what_counting_gives(cases: list[Case]) -> None:
    points = curve(cases, 0.95)
    coverages = [point.coverage for point in points]
    assert coverages == sorted(set(coverages)), "coverage rises"
    assert len(points) == len({entry.confidence for entry in cases} - {None})
    for point in points:
        answered = [e for e in cases if e.confidence is not None and e.confidence >= point.threshold]
        sent = [e for e in cases if e.confidence is None or e.confidence < point.threshold]
        hits = sum(e.right for e in answered)
        assert point.coverage == round(len(answered) / len(cases), 4)
        assert point.accuracy == round(hits / len(answered), 4)
        assert point.overall == round((hits + sum(e.teacher_right for e in sent)) / len(cases), 4)
        assert 0 <= point.low <= point.high <= 1


@given(CASES, st.sampled_from([0.0, 0.5, 0.8, 0.9, 1.0]))
def test_the_threshold_is_what_trying_all_gives(cases: list[Case], least: float) -> None:
    enough = []
    for threshold in {entry.confidence for entry in cases if entry.confidence is not None}:
        right = [entry.right for entry in cases if entry.answered(threshold)]
        if sum(right) / len(right) >= least:
            enough.append(threshold)
    assert choose(cases, least) == min(enough, default=None)
