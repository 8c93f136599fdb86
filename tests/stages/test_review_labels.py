"""review: how good the kept labels are, where they waver, and which rows two people decide."""

from __future__ import annotations

from pathlib import Path

import pytest

from promptstill.answers.spec import AnswerSpec
from promptstill.reviews.decisions import Review
from stages.review.boundaries import Boundaries
from stages.review.precision import Kept, in_random_order, precision
from stages.review.second import Looks
from tests.rows import kept_row
from tests.stages.validated import review


@pytest.fixture
def spec(project: Path) -> AnswerSpec:
    return AnswerSpec.load("colour")


def test_precision_counts_up_to_the_first_row_that_nobody_has_decided() -> None:
    rows = [Kept(str(i), f"{i:02}", ["short"], right=i != 3) for i in range(30)]
    later = [Kept("x", "40", [], None), Kept("y", "50", [], right=False)]
    found = precision(in_random_order([*later, *reversed(rows)]))
    assert (found["decided"], found["precision"]) == (30, round(29 / 30, 4))
    # Wilson's interval for 29 of 30, https://www.itl.nist.gov/div898/handbook/prc/section2/prc241.htm
    assert (found["precision_low"], found["precision_high"]) == (0.8333, 0.9941)
    assert found["by_slice"]["short"]["decided"] == 30
    few = precision(in_random_order([Kept("a", "1", ["short"], True), Kept("b", "2", [], None)]))
    assert few["by_slice"] == {}
    assert precision([]) == {"decided": 0, "by_slice": {}}


def test_pairs_of_labels_between_which_samples_waver(spec: AnswerSpec) -> None:
    boundaries = Boundaries(spec)
    for number, (first, second) in enumerate(
        [("red", "blue"), ("blue", "red"), ("red", "red"), ("red", "no idea")]
    ):
        made = kept_row(number, dissent=int(first != second), slices=["email_rows"])
        made["samples"][0]["response"], made["samples"][1]["response"] = first, second
        boundaries.add(made)
    assert boundaries.table() == [
        {
            "labels": ["blue", "red"],
            "rows": 2,
            "slices": {"email_rows": 2},
            "examples": ["row-000", "row-001"],
        }
    ]
    assert list(boundaries.plot()) == [("blue", "red", 2), ("red", "blue", 2)]
    assert list(Boundaries(spec).plot()) == [("none", "none", 0)], "a table without lines is not drawn"


@pytest.mark.parametrize(
    ("decisions", "wanted"),
    [
        (["accept"], True),
        (["accept", "withdraw"], False),
        (["accept", "blind accept"], False),
        (["accept", "blind reject"], True),
        (["accept", "blind reject", "reject"], False),
    ],
)
def test_which_decided_rows_need_another_person(spec: AnswerSpec, decisions: list[str], wanted: bool) -> None:
    made = Looks()
    for decision in decisions:
        line = review(1, decision.removeprefix("blind "), "red", "red", blind=decision.startswith("blind"))
        made.reviews.append(Review.check(line, "here"))
    assert made.wanted("a0", spec) is wanted
    assert made.wanted("0f", spec) is (wanted and len(decisions) > 1), "a sixteenth gets a second look"
