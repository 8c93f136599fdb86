"""eval: calibration of the student's confidence."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import brier_score_loss

from stages.eval.calibration import BINS, RELIABILITY_COLUMNS, calibration, reliability
from stages.eval.intervals import wilson

ANSWERS = st.lists(
    st.tuples(st.integers(0, 20).map(lambda tenth: tenth / 20), st.booleans()), min_size=1, max_size=60
)


def alone(count: int) -> list[str]:
    return [str(i) for i in range(count)]


def test_answers_of_one_confidence_are_one_bin() -> None:
    metrics = calibration([0.75] * 4, [True, True, True, False], alone(4), 0.95)
    low, high = wilson(3, 4, 0.95)
    assert metrics["bins"] == [{"confidence": 0.75, "accuracy": 0.75, "low": low, "high": high, "count": 4}]
    assert metrics["ece"] == 0.0
    assert metrics["brier"] == pytest.approx((3 * 0.25**2 + 0.75**2) / 4, abs=1e-4)


@pytest.mark.parametrize(("right", "ece", "brier"), [(True, 0.1, 0.01), (False, 0.9, 0.81)])
def test_a_set_that_is_all_right_or_all_wrong(right: bool, ece: float, brier: float) -> None:
    metrics = calibration([0.9] * 30, [right] * 30, alone(30), 0.95)
    assert (metrics["ece"], metrics["brier"]) == (ece, brier)


def test_bins_have_equally_many_answers_and_no_two_share_a_confidence() -> None:
    confidences = [i / 100 for i in range(100)]
    assert [entry.count for entry in reliability(confidences, [True] * 100, alone(100), 0.95)] == [10] * BINS
    tied = [0.5] * 70 + confidences[70:]
    bins = reliability(tied, [True] * 100, alone(100), 0.95)
    assert (bins[0].confidence, bins[0].count) == (0.5, 70)


def test_a_confidence_that_is_too_high_is_an_error_of_calibration() -> None:
    # Two bins: 0.2 with nothing right, and 1.0 with half right.
    metrics = calibration([0.2] * 10 + [1.0] * 10, [False] * 10 + [True, False] * 5, alone(20), 0.95)
    assert [(entry["confidence"], entry["accuracy"]) for entry in metrics["bins"]] == [(0.2, 0.0), (1.0, 0.5)]
    assert metrics["ece"] == pytest.approx((10 * 0.2 + 10 * 0.5) / 20)


def test_answers_of_one_component_widen_the_interval_of_a_bin() -> None:
    (together,) = reliability([0.9] * 20, [True] * 20, ["one"] * 20, 0.95)
    assert (together.low, together.high) == wilson(1, 1, 0.95)


def test_no_valid_answer_has_no_calibration() -> None:
    assert calibration([], [], [], 0.95) == {"ece": None, "brier": None, "bins": []}


@given(ANSWERS)
def test_every_answer_is_in_one_bin_whatever_the_order(answers: list[tuple[float, bool]]) -> None:
    confidences, right = map(list, zip(*answers, strict=True))
    metrics = calibration(confidences, right, alone(len(answers)), 0.95)
    bins = metrics["bins"]
    assert sum(entry["count"] for entry in bins) == len(answers)
    assert len(bins) <= BINS
    means = [entry["confidence"] for entry in bins]
    assert means == sorted(means)
    assert all(set(entry) == set(RELIABILITY_COLUMNS) for entry in bins)
    assert 0 <= metrics["ece"] <= 1
    assert metrics["brier"] == pytest.approx(brier_score_loss(right, confidences, pos_label=True), abs=1e-4)
    assert calibration(confidences[::-1], right[::-1], alone(len(answers)), 0.95)["bins"] == bins
