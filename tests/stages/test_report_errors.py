"""report: where the student's errors come from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from promptstill.answers.prediction import OUTCOMES as OUTCOMES_OF_EVAL
from promptstill.answers.spec import AnswerSpec, Normalisation
from stages.report.build import metrics_path
from stages.report.errors import MOST_LISTED, OUTCOMES, errors
from tests.project import JSON_SCHEMA, TEXT_SCHEMA
from tests.stages.report_build import TASK, by_outcome, change, outcomes, written

TEXT = AnswerSpec(TEXT_SCHEMA, Normalisation(format="text"))
JSON = AnswerSpec(JSON_SCHEMA, Normalisation(format="json", label="colour", scored={"alarm": "urgency"}))


def set_of(**groups: Any) -> dict[str, Any]:
    counted = outcomes(right=2, corrected=1, own=4, inherited=2, both_wrong=1) | groups
    return {"outcomes": counted, "truth_by_person": 7}


def test_every_outcome_of_eval_has_a_description() -> None:
    assert tuple(OUTCOMES) == OUTCOMES_OF_EVAL


def test_errors_are_counted_by_origin_and_by_who_wrote_the_truth() -> None:
    entry = errors(set_of(), TEXT)
    assert (entry.n, entry.wrong, entry.by_teacher, entry.by_person) == (10, 7, 3, 7)
    assert [name for name, _ in entry.lines] == ["all", "2 to 40 characters"]


def test_every_scored_key_has_a_line_if_there_are_several() -> None:
    lines = dict(errors(set_of(), JSON).lines)
    assert list(lines) == ["all", "colour alone", "alarm alone", "2 to 40 characters"]
    assert lines["colour alone"] == {"n": 10, "right": 10} | dict.fromkeys(OUTCOMES_OF_EVAL[1:], 0)
    assert lines["alarm alone"]["own"] == 4


def test_most_own_errors_come_first_and_groups_without_one_are_left_out() -> None:
    labels = {f"label {i:02}": by_outcome(own=i % 6, inherited=20) for i in range(24)}
    entry = errors(set_of(by_label=labels, by_slice={"calm": by_outcome(right=3)}), TEXT)
    assert len(entry.labels) == MOST_LISTED
    assert entry.labels[:2] == [("label 05", 5, 25), ("label 11", 5, 25)]
    assert [own for _, own, _ in entry.labels] == sorted((own for _, own, _ in entry.labels), reverse=True)
    assert entry.slices == []


def test_page_and_card_show_where_errors_come_from(build: Path) -> None:
    page, card = written("report.html"), " ".join(written("model_card.md").split())
    assert "Golden: the student is wrong in 2 of 3 cases" in page
    assert "Test: the student is wrong in 1 of 3 cases" in page
    assert '<th scope="row">topic alone</th><td class="number">3</td><td class="number">3</td>' in page
    assert page.count("<div><dt>outcome</dt><dd>own</dd></div>") == 3
    assert (
        "The student is wrong in 2 of 3 cases: in 1 the teacher is right, in 1 the student gives the "
        "teacher's wrong answer (inherited), and in 0 both are wrong in different ways; in 0 only the "
        "student is right (corrected)."
    ) in card


def test_only_a_set_whose_truth_is_the_teachers_says_so(build: Path) -> None:
    page, card = written("report.html"), " ".join(written("model_card.md").split())
    for text in (page, card):
        assert text.count("The teacher's own answer is the truth in 2 of 3 cases.") == 1
        assert text.count("can therefore occur only on rows that a person edited (1 here)") == 1

    change(metrics_path(TASK, "eval"), lambda content: content["test"].update(truth_by_person=3))
    assert "The teacher's own answer is the truth" not in written("report.html") + written("model_card.md")


@pytest.mark.parametrize("key", ["outcomes", "truth_by_person"])
def test_a_build_without_outcomes_is_an_error_and_no_gap(build: Path, key: str) -> None:
    change(metrics_path(TASK, "eval"), lambda content: content["golden"].pop(key))
    with pytest.raises(KeyError, match=key):
        written("report.html")
