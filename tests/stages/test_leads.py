"""eval: the student's lead over an opponent, and what it shows."""

from __future__ import annotations

import numpy as np
import pytest

from promptstill.answers.spec import AnswerSpec, Normalisation
from promptstill.rows.row import Answer
from stages.eval.intervals import difference
from stages.eval.scores import Judged, gains
from stages.eval.verdict import against_baseline, verdict
from tests.project import JSON_SCHEMA

JSON = AnswerSpec(
    JSON_SCHEMA, Normalisation(format="json", label="colour", scored={"alarm": "alarm_accuracy"})
)


def pairs(only_left: int, only_right: int, count: int) -> tuple[list[bool], list[bool]]:
    """Two contestants on `count` cases: right alone in some, both right in the others."""
    left = [not only_left <= i < only_left + only_right for i in range(count)]
    return left, [i >= only_left for i in range(count)]


def alone(count: int) -> list[str]:
    return [str(i) for i in range(count)]


def test_independent_cases_give_the_interval_of_agresti_and_min() -> None:
    # Half an observation is added to each of the four cells of 30, 10, 5 and 0 cases.
    left, right = pairs(10, 5, 45)
    assert difference(left, right, alone(45), 0.95) == pytest.approx((5 / 45, -0.0576, 0.2704), abs=1e-4)


def test_cases_of_a_component_widen_the_interval() -> None:
    left, right = pairs(12, 4, 48)
    value, low, high = difference(left, right, alone(48), 0.95)
    together = difference(left, right, [str(i // 4) for i in range(48)], 0.95)
    assert together[0] == value
    assert together[1] < low < high < together[2]


def test_few_components_show_little() -> None:
    # The left one wins three components of five rows each.
    _, low, high = difference([True] * 15, [False] * 15, [str(i // 5) for i in range(15)], 0.95)
    assert low < 0 < high
    assert difference([True] * 15, [False] * 15, ["one"] * 15, 0.95) == (1.0, -1.0, 1.0)


def test_contestants_that_never_differ_are_not_equal_for_certain() -> None:
    few = difference([True] * 10, [True] * 10, alone(10), 0.95)
    many = difference([True] * 1000, [True] * 1000, alone(1000), 0.95)
    assert few[0] == many[0] == 0
    assert few[1] < many[1] < 0 < many[2] < few[2]


def test_the_leads_of_two_over_each_other_are_opposite() -> None:
    rng = np.random.default_rng(1)
    left, right = (list(map(bool, rng.random(60) < share)) for share in (0.8, 0.6))
    components = [str(i) for i in rng.integers(0, 20, 60)]
    value, low, high = difference(left, right, components, 0.95)
    assert difference(right, left, components, 0.95) == (-value, -high, -low)


def test_no_case_shows_nothing() -> None:
    assert difference([], [], [], 0.95) == (0.0, -1.0, 1.0)


@pytest.mark.parametrize(
    ("sizes", "shares"),
    [
        ([1] * 40, (0.9, 0.8)),
        ([3] * 20, (0.85, 0.7)),
        ([1] * 30, (0.95, 0.95)),
        ([1] * 12, (0.8, 0.5)),
        ([9, 7, 7, 5, 5, *[3] * 10, *[1] * 15], (0.9, 0.8)),
    ],
)
def test_the_interval_covers_the_truth_as_often_as_it_says(
    sizes: list[int], shares: tuple[float, float]
) -> None:
    """Components of `sizes` cases that are right or wrong as a whole, from a fixed seed."""
    rng, runs = np.random.default_rng(7), 400
    components = [str(i) for i in np.repeat(np.arange(len(sizes)), sizes)]
    covered = 0
    for _ in range(runs):
        left, right = (np.repeat(rng.random(len(sizes)) < share, sizes).tolist() for share in shares)
        _, low, high = difference(left, right, components, 0.95)
        covered += low <= shares[0] - shares[1] <= high
    assert covered / runs >= 0.93


@pytest.mark.parametrize(
    ("low", "high", "word"),
    [
        (0.01, 0.09, "better"),
        (-0.09, -0.01, "worse"),
        (-0.01, 0.09, "not distinguishable"),
        (0.0, 0.09, "not distinguishable"),
        (-0.09, 0.0, "not distinguishable"),
    ],
)
def test_an_interval_that_contains_zero_shows_no_difference(low: float, high: float, word: str) -> None:
    assert verdict(low, high) == word


def judged(right: list[bool], alarms: list[bool]) -> list[Judged]:
    truth: Answer = {"colour": "red", "sure": 0.9, "alarm": "fire"}
    return [
        Judged(
            "a text",
            truth,
            {"colour": "red" if label else "blue", "sure": 0.9, "alarm": "fire" if alarm else None},
            (),
            str(i),
        )
        for i, (label, alarm) in enumerate(zip(right, alarms, strict=True))
    ]


def test_a_student_that_is_worse_is_called_worse() -> None:
    student, other = judged([False] * 15 + [True] * 25, [True] * 40), judged([True] * 40, [False] * 40)
    leads = gains(student, other, JSON, 0.95)
    assert (leads["accuracy"]["difference"], leads["accuracy"]["verdict"]) == (-0.375, "worse")
    assert (leads["alarm_accuracy"]["difference"], leads["alarm_accuracy"]["verdict"]) == (1.0, "better")
    scored = {
        "student": {"n": 40, "components": 40},
        "better_baseline": "ngrams",
        "student_minus": {"ngrams": leads},
    }
    line = against_baseline(scored)
    assert line.startswith("worse than ngrams by 0.375 (0.2")
    assert line.endswith(" on 40 rows in 40 components")


def test_an_invalid_answer_gives_no_lead() -> None:
    student = judged([True] * 20, [True] * 20)
    nothing = [Judged(case.input, case.truth, None, (), case.component) for case in student]
    assert gains(nothing, student, JSON, 0.95)["accuracy"]["difference"] == -1.0


def test_the_line_of_the_summary_names_lead_and_baseline_or_the_number_of_rows() -> None:
    better = {"difference": 0.05, "low": 0.01, "high": 0.09, "verdict": "better"}
    scored = {
        "student": {"n": 112, "components": 80},
        "better_baseline": "ngrams",
        "student_minus": {"ngrams": {"accuracy": better}},
    }
    assert against_baseline(scored) == (
        "better than ngrams by 0.050 (0.010 to 0.090) on 112 rows in 80 components"
    )
    scored["student_minus"] = {"ngrams": {"accuracy": better | {"verdict": "not distinguishable"}}}
    assert against_baseline(scored) == "not distinguishable from ngrams on 112 rows in 80 components"
