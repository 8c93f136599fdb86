"""report: where the student's errors come from."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest

from promptstill.answers.prediction import OUTCOMES as OUTCOMES_OF_EVAL
from promptstill.answers.spec import AnswerSpec, Normalisation
from stages.report.build import metrics_path
from stages.report.errors import MOST_LISTED, OUTCOMES, Counts, Errors, errors
from tests.project import JSON_SCHEMA, TEXT_SCHEMA
from tests.stages.report_build import TASK, by_outcome, change, edited, outcomes, written

TEXT = AnswerSpec(TEXT_SCHEMA, Normalisation(format="text"))
JSON = AnswerSpec(JSON_SCHEMA, Normalisation(format="json", label="colour", scored={"alarm": "urgency"}))


def lines_of(entry: Errors, kind: str) -> list[tuple[str, Counts]]:
    return next(group.lines for group in entry.groups if group.kind == kind)


def set_of(**groups: Any) -> dict[str, Any]:
    counted = outcomes(right=2, corrected=1, own=4, inherited=2, both_wrong=1) | groups
    return {"outcomes": counted, "truth_by_person": 7}


def test_every_outcome_of_eval_has_a_description() -> None:
    assert tuple(OUTCOMES) == OUTCOMES_OF_EVAL


def test_errors_are_counted_by_origin_and_by_who_wrote_the_truth() -> None:
    entry = errors(set_of(), TEXT)
    assert (entry.n, entry.wrong, entry.by_teacher, entry.by_person) == (10, 7, 3, 7)
    assert [name for name, _ in lines_of(entry, "what is compared")] == ["all"]
    assert [name for name, _ in lines_of(entry, "length of the input")] == ["2 to 40 characters"]


def test_every_scored_key_has_a_line_if_there_are_several() -> None:
    lines = dict(lines_of(errors(set_of(), JSON), "what is compared"))
    assert list(lines) == ["all", "colour alone", "alarm alone"]
    assert lines["colour alone"] == {"n": 10, "right": 10} | dict.fromkeys(OUTCOMES_OF_EVAL[1:], 0)
    assert lines["alarm alone"]["own"] == 4


def test_groups_with_most_errors_come_first_and_those_without_any_are_left_out() -> None:
    labels = {
        "calm": by_outcome(right=9),
        "lucky": by_outcome(right=9, corrected=1),
        "own": by_outcome(right=5, own=2),
        "all kinds": by_outcome(own=1, inherited=1, both_wrong=1),
    }
    entry = errors(set_of(by_label=labels, by_slice={"calm": by_outcome(right=3)}), TEXT)
    assert lines_of(entry, "label") == [
        ("all kinds", {"n": 3, "right": 0, "corrected": 0, "own": 1, "inherited": 1, "both_wrong": 1}),
        ("own", {"n": 7, "right": 5, "corrected": 0, "own": 2, "inherited": 0, "both_wrong": 0}),
        ("lucky", {"n": 10, "right": 9, "corrected": 1, "own": 0, "inherited": 0, "both_wrong": 0}),
    ]
    assert "slice" not in [group.kind for group in entry.groups]


def test_of_many_labels_the_rest_is_counted(build: Path) -> None:
    labels = {f"label {i:02}": by_outcome(own=1) for i in range(MOST_LISTED + 3)}
    groups = {group.kind: group for group in errors(set_of(by_label=labels), TEXT).groups}
    assert (len(groups["label"].lines), groups["label"].further) == (MOST_LISTED, 3)
    change(metrics_path(TASK, "eval"), lambda content: content["test"]["outcomes"].update(by_label=labels))
    assert written("report.html").count("3 further ones are in <code>data/eval/tickets/metrics.json") == 1


def test_page_and_card_show_where_errors_come_from(build: Path) -> None:
    page, card = written("report.html"), " ".join(written("model_card.md").split())
    assert "Golden: the student is wrong in 2 of 3 cases" in page
    assert "Test: the student is wrong in 1 of 3 cases" in page
    assert (
        '<th scope="row" dir="auto">topic alone</th><td class="number">3</td><td class="number">3</td>'
        in page
    )
    for kind in ("what is compared", "label", "slice", "length of the input"):
        assert page.count(f": cases by outcome and by {kind}</span>") == 2, kind
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


def test_page_and_card_say_how_the_student_answers_corrected_rows(build: Path) -> None:
    text = "corrected the teacher's answer to"
    assert text not in written("report.html") + written("model_card.md")
    held_out = {"n": 2, "accuracy": 0.5, "accuracy_low": 0.1, "accuracy_high": 0.9}
    for given in ({}, held_out):
        rows = {"edited": edited(7, 6, **given)}
        change(metrics_path(TASK, "eval"), partial(dict.update, **rows))
        for name in ("report.html", "model_card.md"):
            page = " ".join(written(name).split())
            assert (
                f"{text} 7 rows of the dataset. The student gives the corrected answer to 6 of them" in page
            )
            assert ("(10.0 % to 90.0 %) of the 2 that it did not learn from" in page) == bool(given)


@pytest.mark.parametrize("key", ["outcomes", "truth_by_person"])
def test_a_build_without_outcomes_is_an_error_and_no_gap(build: Path, key: str) -> None:
    change(metrics_path(TASK, "eval"), lambda content: content["golden"].pop(key))
    with pytest.raises(KeyError, match=key):
        written("report.html")
