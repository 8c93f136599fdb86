"""eval: where the student's errors come from."""

from __future__ import annotations

from typing import Any, cast

import pytest

from promptstill.answers.classes import TEXT as OPEN
from promptstill.answers.measures import ACCURACY, measures
from promptstill.answers.prediction import ERRORS, OUTCOMES, Outcome
from promptstill.answers.spec import AnswerSpec, Normalisation
from promptstill.models.answering import StudentAnswer
from promptstill.rows.row import Answer, SampledCase
from stages.eval.contestants import CONTESTANTS, Answered, Contestant
from stages.eval.outcomes import outcome, outcome_counts, quarters
from stages.eval.scores import judged, scores
from tests.project import JSON_SCHEMA, TEXT_SCHEMA
from tests.rows import ingested_case, split_row

TEXT = AnswerSpec(TEXT_SCHEMA, Normalisation(format="text"))
JSON = AnswerSpec(
    JSON_SCHEMA, Normalisation(format="json", label="colour", scored={"alarm": "alarm_accuracy"})
)
GIVEN = StudentAnswer(None, 1.0, {}, False)


def case(truth: Answer, teacher: Answer | None, student: Answer | None, **fields: Any) -> Answered:
    """A golden case with the answers of teacher and student."""
    answers: dict[Contestant, Answer | None] = {
        **dict.fromkeys(CONTESTANTS, truth),
        "teacher": teacher,
        "student": student,
    }
    golden = cast(SampledCase, ingested_case(0, answer=truth, **fields))
    return Answered("golden", golden, answers, GIVEN)


def colour(label: str, alarm: str | None = None, sure: float = 0.9) -> Answer:
    return {"colour": label, "sure": sure, "alarm": alarm}


@pytest.mark.parametrize(
    ("teacher", "student", "expected"),
    [
        ("red", "red", "right"),
        ("blue", "red", "corrected"),
        (None, "red", "corrected"),
        ("red", "blue", "own"),
        ("red", None, "own"),
        ("blue", "blue", "inherited"),
        ("blue", "green", "both_wrong"),
        ("blue", None, "both_wrong"),
        (None, "blue", "both_wrong"),
        (None, None, "both_wrong"),
    ],
)
def test_an_outcome_compares_student_teacher_and_truth(
    teacher: str | None, student: str | None, expected: Outcome
) -> None:
    entry = case("red", teacher, student)
    assert outcome(entry, TEXT) == outcome(entry, TEXT, measures(TEXT)[ACCURACY]) == expected


@pytest.mark.parametrize(
    ("teacher", "student", "whole", "label", "alarm"),
    [
        (colour("red"), colour("red", sure=0.5), "right", "right", "right"),
        (colour("red"), colour("red", "fire"), "own", "right", "own"),
        (colour("blue"), colour("blue", "fire"), "both_wrong", "inherited", "own"),
        (colour("blue", "fire"), colour("blue", "fire"), "inherited", "inherited", "inherited"),
        (colour("red", "fire"), colour("red"), "corrected", "right", "corrected"),
    ],
)
def test_outcomes_of_the_whole_answer_and_of_each_key_can_differ(
    teacher: Answer, student: Answer, whole: Outcome, label: Outcome, alarm: Outcome
) -> None:
    entry = case(colour("red"), teacher, student)
    assert outcome(entry, JSON) == whole
    by_measure = [outcome(entry, JSON, measures(JSON)[name]) for name in (ACCURACY, "alarm_accuracy")]
    assert by_measure == [label, alarm]


def test_counts_add_up_in_every_group_and_agree_with_the_accuracies() -> None:
    cases = [
        case(colour("red"), colour("red"), colour("red", "fire"), slices=["short"], input="a" * 5),
        case(colour("red"), colour("blue"), colour("blue"), slices=[], input="a" * 9),
        case(colour("red"), colour("red"), colour("red"), slices=["short", "email"], input="aaa"),
        case(colour("blue"), colour("blue"), None, slices=["email"], input="a" * 100),
    ]
    counts = outcome_counts(cases, JSON)
    assert counts["all"] == {"n": 4, "right": 1, "own": 2, "inherited": 1}
    assert {name: (group["n"], group["own"]) for name, group in counts["by_label"].items()} == {
        "blue": (1, 1),
        "red": (3, 1),
    }
    assert {name: (group["n"], group["own"]) for name, group in counts["by_slice"].items()} == {
        "email": (2, 1),
        "short": (2, 1),
    }
    assert list(counts["by_length"]) == [f"{n} to {n} characters" for n in (3, 5, 9, 100)], "shortest first"
    groups = [counts["all"], *(group for key in counts if key != "all" for group in counts[key].values())]
    assert all(group["n"] == sum(group.get(name, 0) for name in OUTCOMES) for group in groups)
    for key in ("by_label", "by_length"):
        assert sum(group["n"] for group in counts[key].values()) == len(cases)
    accuracies = scores(judged(cases, "student"), JSON, 0.95)
    for metric, group in counts["by_metric"].items():
        assert 1 - sum(group.get(name, 0) for name in ERRORS) / group["n"] == accuracies[metric]


def test_labels_that_are_texts_are_counted_together() -> None:
    spec = AnswerSpec({"type": "string"}, Normalisation(format="text"))
    counts = outcome_counts([case("a customer's words", "more", "words"), case("a", "a", "a")], spec)
    assert list(counts["by_label"]) == [OPEN]


@pytest.mark.parametrize(
    ("lengths", "bounds"),
    [
        ([8, 1, 2, 3, 4, 5, 6, 7], [(7, 8), (1, 2), (1, 2), (3, 4), (3, 4), (5, 6), (5, 6), (7, 8)]),
        ([5, 5, 5], [(5, 5)] * 3),
        ([1, 1, 1, 1, 9], [(1, 1)] * 4 + [(9, 9)]),
        ([7], [(7, 7)]),
    ],
)
def test_quarters_keep_equal_lengths_together(lengths: list[int], bounds: list[tuple[int, int]]) -> None:
    assert quarters(lengths) == bounds


def test_a_person_wrote_the_truth_of_golden_cases_and_of_edited_rows() -> None:
    rows = [Answered("test", split_row(0, edited=edited), {}, GIVEN) for edited in (True, False)]
    assert [entry.truth_by_person for entry in (case("red", "red", "red"), *rows)] == [True, True, False]


def test_the_outcome_is_in_the_row_of_the_case() -> None:
    assert case("red", "red", "blue").prediction("own")["outcome"] == "own"
