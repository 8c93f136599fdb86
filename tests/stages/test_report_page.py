"""report: the page."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from promptstill.answers.prediction import OUTCOMES
from promptstill.core.files import write_rows
from promptstill.core.paths import out
from promptstill.near.ngrams import text_overlap
from stages.report.__main__ import read_build
from stages.report.confusion import MAX_LABELS, confusion
from stages.report.curve import charts, ticks
from stages.report.fields import row_fields
from stages.report.mistakes import mistakes, wrong
from tests.stages.report_build import NEAREST, TASK, prediction, written


def test_texts_of_predictions_are_escaped_in_the_page(build: Path) -> None:
    page = written("report.html")
    assert "<script" not in page
    assert page.count("&lt;script&gt;alert(1)&lt;/script&gt;") > 2, "input, answer and nearest text"
    assert '<div class="text" dir="auto">&lt;script&gt;alert(1)&lt;/script&gt; سلام</div>' in page


def test_the_page_loads_nothing_from_elsewhere(build: Path) -> None:
    targets: list[str] = []

    class Links(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            assert tag not in ("link", "script", "img", "iframe", "object"), tag
            targets.extend(value or "" for name, value in attrs if name in ("href", "src", "srcset"))

    page = written("report.html")
    Links().feed(page)
    assert targets
    assert all(target.startswith("#") for target in targets)
    assert not re.search(r"url\(|@import", page)


def test_every_table_has_headers_with_a_scope_and_every_drawing_a_label(build: Path) -> None:
    page = written("report.html")
    assert all("scope=" in header for header in re.findall(r"<th\b[^>]*>", page))
    assert all("aria-label=" in drawing for drawing in re.findall(r"<svg\b[^>]*>", page))


def test_the_most_confident_mistake_comes_first_beside_its_nearest_train_row(build: Path) -> None:
    inputs = read_build(TASK)
    golden = [case for case in inputs.predictions if case["set"] == "golden"]
    examples = mistakes(wrong(golden), inputs.train, inputs.spec)
    assert [example.id for example in examples] == ["sure", "unsure"]
    assert examples[0].nearest_id == "t2"
    assert examples[0].overlap == text_overlap("where is my invoice for may", "where is my invoice for june")
    assert examples[1].student == "(invalid)"
    assert [example.outcome for example in examples] == ["own", "own"]


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_mistakes_are_the_cases_whose_outcome_is_an_error(outcome: str) -> None:
    case = prediction("one", "golden", "text", "bill", "bill", 0.5) | {"outcome": outcome}
    assert len(wrong([case])) == (outcome in ("own", "inherited", "both_wrong"))  # type: ignore[list-item]


def test_a_set_without_mistakes_has_no_examples(build: Path) -> None:
    right = [prediction(NEAREST[name], name, "text", "bill", "bill", 0.5) for name in ("golden", "test")]
    write_rows(out("eval", TASK), right)
    assert written("report.html").count("<p>None.</p>") == 2


def test_labels_that_are_never_true_are_the_last_columns() -> None:
    pairs = [("b", "b"), ("b", "(invalid)"), ("c", "b"), ("c", "b")]
    matrix = confusion([{"actual": a, "predicted": p} for a, p in pairs])
    assert matrix.predicted == ["b", "c", "(invalid)"]
    assert [[cell.count for cell in line.cells] for line in matrix.lines] == [[1, 0, 1], [2, 0, 0]]
    assert matrix.mistakes == [("c", "b", 2), ("b", "(invalid)", 1)]


def test_too_many_labels_give_a_list_of_mistakes_and_no_matrix() -> None:
    labels = [f"label {i:02}" for i in range(MAX_LABELS + 1)]
    matrix = confusion([{"actual": label, "predicted": labels[0]} for label in labels])
    assert matrix.lines == []
    assert len(matrix.mistakes) == MAX_LABELS


@pytest.mark.parametrize(
    ("top", "values"),
    [
        (1.0, [0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (2.5, [0, 0.5, 1.0, 1.5, 2.0, 2.5]),
        (0.07, [0, 0.02, 0.04, 0.06, 0.08]),
    ],
)
def test_an_axis_has_even_ticks_that_reach_the_highest_value(top: float, values: list[float]) -> None:
    assert ticks(top) == values


def test_a_curve_of_one_epoch_is_one_point_inside_the_chart() -> None:
    line = {"epoch": "1", "train_loss": "0", "validation_loss": "0", "validation_accuracy": "1"}
    for chart in charts([line], best_epoch=1):
        assert all(0 < at < 100 for series in chart.series for point in series.points for at in point)


def test_every_field_of_a_row_has_a_meaning() -> None:
    fields = {field.name: field for field in row_fields()}
    assert fields["source"].type == "text or null"
    assert fields["score"].type == "number, may be missing"
    assert fields["messages"].type == "list of {role, content}"
    assert all(field.meaning for field in fields.values())
