"""report: inputs with passages, long answers and scores without a case."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from promptstill.answers.measures import measures
from promptstill.answers.rates import rates
from promptstill.core.paths import plot_file
from stages.report.build import read_table
from stages.report.model_card import eval_result
from stages.report.passages import Shown, shown
from stages.report.render import render_html
from stages.report.scores import Score, labels, scores
from tests.cited import REFUSED, SPEC, asked, cited
from tests.project import write
from tests.stages.report_build import TASK

PASSAGES = ("A <b>ticket</b> costs $4.", "The sauna opens.", "Dogs stay outside.")
INPUT = asked("what does a ticket cost?", *PASSAGES)


def drawn(template: str, folder: Path, **values: Any) -> str:
    """A template that draws a macro."""
    write(folder / "drawn.html", f'{{% import "macros.html" as draw %}}{template}')
    return render_html("drawn.html", folder, **values)


def test_passages_are_cited_by_name_and_the_others_are_apart() -> None:
    answers = {"truth": cited("$4", 1), "student": cited("$4", 3, 1, 9), "teacher": REFUSED, "none": None}
    assert shown(INPUT, answers, SPEC) == Shown(
        "Page: the pool\nQuestion: what does a ticket cost?",
        [("[1] A <b>ticket</b> costs $4.", "truth, student"), ("[3] Dogs stay outside.", "student")],
        ["[2] The sauna opens."],
    )


def test_numbers_that_are_texts_cite_passages_too() -> None:
    assert shown(INPUT, {"truth": {"answer": "$4", "cites": ["1", True]}}, SPEC).cited == [
        ("[1] A <b>ticket</b> costs $4.", "truth")
    ]


def test_an_input_without_passages_is_shown_as_it_is() -> None:
    assert shown("  two\n\nlines", {}, SPEC) == Shown("  two\n\nlines")


def test_a_page_marks_cited_passages_and_folds_the_others(tmp_path: Path) -> None:
    parts = shown(INPUT, {"truth": cited("$4", 1)}, SPEC)
    page = drawn("{{ draw.input_block(input) }}", tmp_path, input=parts)
    marked, folded = page.split("<details")
    assert "cited by truth" in marked
    assert "A &lt;b&gt;ticket&lt;/b&gt; costs" in marked
    assert "2 passages that no answer here cites" in folded
    assert "The sauna opens." in folded
    assert "<details" not in drawn("{{ draw.input_block(input) }}", tmp_path, input=Shown("a text"))


def test_a_long_answer_is_folded_behind_its_beginning(tmp_path: Path) -> None:
    assert drawn("{{ draw.answer(text) }}", tmp_path, text="short").strip() == "<code>short</code>"
    long = drawn("{{ draw.answer(text) }}", tmp_path, text="word " * 200)
    assert long.count("word") == 240
    assert "<details" in long


def test_a_rate_that_is_about_no_case_is_no_number(tmp_path: Path) -> None:
    names = [*measures(SPEC), *rates(SPEC)]
    entry: dict[str, Any] = {f"{name}{bound}": 0.5 for name in names for bound in ("", "_low", "_high")}
    entry |= {"macro_f1": 0.5, "valid": 1.0}
    entry |= dict.fromkeys(("grounded", "grounded_low", "grounded_high"))
    shown_scores = {score.name: score for score in scores(entry, SPEC)}
    assert shown_scores["refused recall"] == Score("refused recall", 0.5, 0.5, 0.5)
    grounded = drawn("{{ draw.numbers(score) }}", tmp_path, score=shown_scores["grounded"])
    assert grounded.strip() == "no case"


def test_labels_have_intervals(build: Path) -> None:
    (bill,) = labels(read_table(plot_file(TASK, "labels_test").read_text()))
    assert bill.precision == Score("precision", 1.0, 0.25, 1.0)
    assert bill.recall == Score("recall", 0.5, 0.125, 0.875)
    assert (bill.cases, bill.f1) == (3, 0.6667)


@pytest.mark.parametrize(
    ("name", "kind"),
    [("macro F1", "f1"), ("answer f1", "f1"), ("refused recall", "recall"), ("grounded", "accuracy")],
)
def test_the_card_names_the_kind_of_each_metric(name: str, kind: str) -> None:
    assert eval_result("task", "test", Score(name, 0.5)).metric_type == kind
