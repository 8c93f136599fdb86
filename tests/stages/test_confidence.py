"""eval: from replies and rows to calibration and cascade."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import pytest

from promptstill.answers.spec import AnswerSpec, Normalisation
from promptstill.models.answering import StudentAnswer
from promptstill.rows.row import SampledCase, SplitRow
from stages.eval.calibration import RELIABILITY_COLUMNS
from stages.eval.cascade import CASCADE_COLUMNS, Case
from stages.eval.confidence import (
    AnsweredSet,
    cases_of,
    confidence_metrics,
    confidence_tables,
    teacher_agreement,
    usd_per_request,
)
from stages.eval.verdict import cascade_line, price_line
from tests.project import TEXT_SCHEMA
from tests.rows import ingested_case, sampled_row, split_row

TEXT = AnswerSpec(TEXT_SCHEMA, Normalisation(format="text"))


def row(*responses: str, answer: str = "red", **fields: Any) -> SplitRow:
    """A row with the teacher's samples."""
    return split_row(0, samples=sampled_row(0, *responses)["samples"], answer=answer, **fields)


def words(text: str) -> int:
    return len(text.split())


def sets(confidence: float = 0.9) -> Mapping[AnsweredSet, list[Case]]:
    """Ten cases of each set: at the confidence or half of it, of which only the surer ones are right."""
    cases = [Case(confidence / (1 + i % 2), i % 2 == 0, True, str(i), 50) for i in range(10)]
    return {"validation": cases, "golden": cases, "test": cases}


AGREEMENT = {"share": 0.95, "low": 0.9, "high": 1.0, "n": 20}


def test_a_case_has_what_the_student_answered_and_what_a_single_request_to_the_teacher_gives() -> None:
    rows = [
        row("red", "the colour is red", input="a b c", component="x"),
        row("blue", "red", "red", input="a b", component="x"),
        row("red blue green", "red", "red", input="a", component="x"),
    ]
    given = [StudentAnswer("red", 0.75, {}, False), StudentAnswer(None, 0.99, {}, False)]
    assert cases_of(rows, [*given, given[0]], 10, words, TEXT) == [
        Case(0.75, True, True, "x", 10 + 3 + 1),
        Case(None, False, False, "x", 10 + 2 + 1),
        Case(0.75, True, False, "x", 10 + 1 + 3),
    ]


def test_a_reply_that_was_cut_off_is_no_answer() -> None:
    (case,) = cases_of([row("red")], [StudentAnswer(None, 0.75, {}, True)], 10, words, TEXT)
    assert (case.confidence, case.right) == (None, False)


def test_a_golden_case_without_a_teacher_is_a_component_of_its_own() -> None:
    golden = cast(SampledCase, ingested_case(0, answer="red", samples=[], input="a b"))
    (case,) = cases_of([golden], [StudentAnswer("red", 0.75, {}, False)], 10, words, TEXT)
    assert case == Case(0.75, True, False, golden["id"], 12)


def test_the_teacher_agrees_with_itself_if_all_samples_are_the_same() -> None:
    rows = [
        row("red", "red", component="a"),
        row("red", "blue", component="b"),
        row("red", "nonsense", component="c"),
        row("red", component="d"),
    ]
    agreement = teacher_agreement(rows, TEXT, 0.95)
    assert agreement is not None
    assert (agreement["share"], agreement["n"]) == (0.3333, 3), "one sample says nothing"
    assert teacher_agreement(rows[3:], TEXT, 0.95) is None


def test_a_request_costs_what_generate_paid_on_average() -> None:
    assert usd_per_request({"cost_usd": 1.5, "requests": 1000}) == 0.0015
    assert usd_per_request({"cost_usd": None, "requests": 1000}) is None


def test_validation_chooses_and_the_other_sets_report() -> None:
    cases = {**sets(), "test": sets(0.5)["test"]}
    metrics = confidence_metrics(cases, AGREEMENT, 0.002, 0.95)
    assert metrics["cascade"]["threshold"] == 0.9
    at = metrics["cascade"]["at_threshold"]
    assert {name: entry["coverage"] for name, entry in at.items()} == {
        "validation": 0.5,
        "golden": 0.5,
        "test": 0.0,
    }
    assert at["golden"]["usd_saved_per_thousand"] == 1.0
    assert set(metrics["calibration"]) == {"golden", "test"}


@pytest.mark.parametrize("agreement", [None, AGREEMENT | {"low": 1.01}])
def test_without_a_bound_that_can_be_reached_no_threshold_is_chosen(agreement: Any) -> None:
    metrics = confidence_metrics(sets(), agreement, 0.002, 0.95)["cascade"]
    assert metrics.pop("teacher_per_thousand")["test"] == {"tokens": 50_000, "usd": 2.0}
    assert metrics == {"teacher_agreement": agreement, "threshold": None, "at_threshold": None}
    assert cascade_line(metrics).startswith("no threshold: ")


def test_tables_have_numbers_only_and_a_curve_for_each_set() -> None:
    metrics = confidence_metrics(sets(), AGREEMENT, None, 0.95)
    tables = confidence_tables(sets(), metrics, 0.95)
    columns, rows = tables["cascade"]
    assert columns == CASCADE_COLUMNS
    assert [line[:4] for line in rows] == [
        (name, coverage, threshold, accuracy)
        for name in ("validation", "golden", "test")
        for coverage, threshold, accuracy in ((0.5, 0.9, 1.0), (1.0, 0.45, 0.5))
    ]
    columns, rows = tables["reliability_test"]
    assert columns == RELIABILITY_COLUMNS
    assert [(line[0], line[1], line[4]) for line in rows] == [(0.45, 0.0, 5), (0.9, 1.0, 5)]


def test_the_line_states_coverage_accuracy_threshold_and_savings() -> None:
    line = cascade_line(confidence_metrics(sets(), AGREEMENT, None, 0.95)["cascade"])
    assert line == (
        "the student answers 50 % of test with accuracy 1.000 (confidence of 0.9000 or more, chosen on "
        "validation); with the teacher's answers to the rest, the accuracy is 1.000, and a thousand requests "
        "save 25,000 tokens"
    )
    paid = confidence_metrics(sets(), AGREEMENT, 0.002, 0.95)["cascade"]
    assert cascade_line(paid).endswith("a thousand requests save 25,000 tokens and 1.0000 USD")
    nothing = confidence_metrics({**sets(), "test": sets(0.5)["test"]}, AGREEMENT, None, 0.95)["cascade"]
    assert cascade_line(nothing) == (
        "the student answers nothing of test (confidence of 0.9000 or more, chosen on validation)"
    )


@pytest.mark.parametrize(("usd", "shown"), [(None, "tokens,"), (0.002, "tokens and 2.0000 USD,")])
def test_the_price_of_teacher_and_student_is_stated_even_without_a_threshold(
    usd: float | None, shown: str
) -> None:
    metrics = confidence_metrics(sets(), None, usd, 0.95)["cascade"]
    line = price_line(metrics, {"seconds_per_thousand": 47.6, "rows_per_second": 21.0})
    assert line == (
        f"a thousand requests cost the teacher 50,000 {shown} and the student 48 s here (21.0 rows/s)"
    )
