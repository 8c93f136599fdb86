"""report: what the student's confidence is worth."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from promptstill.core.files import write_csv
from promptstill.core.paths import plot_file
from stages.eval.cascade import CASCADE_COLUMNS
from stages.report.build import metrics_path
from stages.report.confidence import Line, cascade_diagrams, curves, deciles, reliability
from stages.report.curve import FRAME
from stages.report.render import usd
from tests.stages.report_build import TASK, change, written
from tests.stages.report_confidence import calibration


def line(coverage: float, accuracy: float = 1.0) -> Line:
    return {
        "coverage": coverage,
        "threshold": 1 - coverage,
        "accuracy": accuracy,
        "low": accuracy / 2,
        "high": 1.0,
        "overall": accuracy,
    }


def test_page_and_card_show_threshold_savings_and_calibration(build: Path) -> None:
    page, card = (" ".join(written(name).split()) for name in ("report.html", "model_card.md"))
    assert "if its confidence is at least <strong>0.6250</strong>" in page
    assert "| test | 66.7 % | 0.5000 (0.1250 to 0.8750) | 0.7500 | 345,678 | 1.2500 |" in card
    assert "The threshold of confidence is 0.6250." in card
    for text in (page, card):
        assert "at least 43.8 % of" in text, "what the threshold must reach"
        assert "agrees with itself on 75.0 % of the rows with several samples" in text
        assert "and 43.8 % is the lower bound of the 95 % interval of this share." in text
        assert "they cost 612,345 tokens (1,234.5000 USD)." in text
        assert text.count("345,678") == 3, "validation, golden and test"
        assert "0.2000" in text and "0.0625" in text, "calibration error and Brier score"
    assert "| 33.3 % | 0.9000 | 1.0000 (0.2500 to 1.0000) | 1.0000 |" in card
    assert page.count("accuracy by coverage</strong>") == page.count("accuracy by confidence</strong>") == 2


def test_money_that_is_not_known_is_shown_as_such(build: Path) -> None:
    def forget(content: Any) -> None:
        for entry in content["cascade"]["at_threshold"].values():
            entry["usd_saved_per_thousand"] = None
        content["cascade"]["teacher_per_thousand"]["test"]["usd"] = None

    change(metrics_path(TASK, "eval"), forget)
    assert written("report.html").count("not known") == 3
    assert written("model_card.md").count("| 345,678 | not known |") == 3
    assert "they cost 612,345 tokens. " in " ".join(written("model_card.md").split())


def test_small_and_large_amounts_are_written_without_an_exponent() -> None:
    assert [usd(amount) for amount in (0.0, 0.00012, 1234567.0)] == ["0.0000", "0.0001", "1,234,567.0000"]


@pytest.mark.parametrize(
    ("agreement", "reason"),
    [
        (None, "it is not known how often the teacher agrees with itself"),
        (
            {"share": 1.0, "low": 0.9375, "high": 1.0, "n": 60},
            "at none are 93.8 % of the student's answers to the",
        ),
    ],
)
def test_a_build_without_a_threshold_says_why(build: Path, agreement: Any, reason: str) -> None:
    nothing = {"teacher_agreement": agreement, "threshold": None, "at_threshold": None}
    change(metrics_path(TASK, "eval"), lambda content: content["cascade"].update(nothing))
    page, card = (" ".join(written(name).split()) for name in ("report.html", "model_card.md"))
    assert reason in page and reason in card
    assert "No threshold was chosen" in page
    assert "the threshold</figcaption>" not in page
    assert page.count("accuracy by coverage</strong>") == 2, "the curves need no threshold"


def test_a_student_without_a_valid_answer_has_no_diagram(build: Path) -> None:
    empty: dict[str, Any] = {"ece": None, "brier": None, "bins": []}
    change(
        metrics_path(TASK, "eval"),
        lambda content: content.update(calibration={"golden": empty, "test": empty}),
    )
    write_csv(plot_file(TASK, "cascade"), CASCADE_COLUMNS, [])
    page = written("report.html")
    assert "accuracy by coverage</strong>" not in page
    assert "accuracy by confidence</strong>" not in page
    assert "Expected calibration error" not in written("model_card.md")


def test_a_set_that_answers_nothing_at_the_threshold_has_no_accuracy(build: Path) -> None:
    nothing = {"answered": 0, "coverage": 0.0, "accuracy": None, "low": None, "high": None}
    change(
        metrics_path(TASK, "eval"), lambda content: content["cascade"]["at_threshold"]["test"].update(nothing)
    )
    assert "| test | 0.0 % | | 0.7500 |" in " ".join(written("model_card.md").split())
    assert "None" not in written("report.html").split('id="confidence"')[1].split("</section>")[0]


def test_diagrams_stay_inside_their_frame() -> None:
    lines = {name: [line(0.25, 0.975), line(0.5, 0.9), line(1.0, 0.62)] for name in ("golden", "test")}
    at = {name: {"coverage": 0.5} for name in lines}
    shown = cascade_diagrams(lines, {"at_threshold": at})["test"]
    assert shown is not None
    points = [point for series in shown.series for point in series.points]
    assert all(FRAME.left <= x <= FRAME.right and FRAME.top <= y <= FRAME.bottom for x, y in points)
    assert all(y >= FRAME.top and y + height <= FRAME.bottom + 0.01 for _, y, _, height in shown.bands)
    assert [text for _, text in shown.y_ticks] == ["0.6", "0.7", "0.8", "0.9", "1"]
    assert shown.y_ticks[0][0] == FRAME.bottom
    middle = (FRAME.left + FRAME.right) / 2
    assert shown.guide == (middle, FRAME.top, middle, FRAME.bottom)


@pytest.mark.parametrize(
    ("lowest", "texts"),
    [
        (0.95, ["0.9", "0.92", "0.94", "0.96", "0.98", "1"]),
        (0.9, ["0.8", "0.85", "0.9", "0.95", "1"]),
        (0.0, ["0", "0.2", "0.4", "0.6", "0.8", "1"]),
        (1.0, ["0.9", "0.92", "0.94", "0.96", "0.98", "1"]),
    ],
)
def test_the_axis_begins_below_the_lowest_accuracy(lowest: float, texts: list[str]) -> None:
    lines = {name: [line(1.0, lowest)] for name in ("golden", "test")}
    shown = cascade_diagrams(lines, {"at_threshold": None})["test"]
    assert shown is not None
    assert [text for _, text in shown.y_ticks] == texts


def test_a_bin_on_the_diagonal_is_calibrated() -> None:
    entry = {"confidence": 0.5, "accuracy": 0.5, "low": 0.25, "high": 0.75, "count": 4}
    sets = {"golden": calibration() | {"bins": [entry]}, "test": calibration()}
    shown = reliability(sets)["golden"]
    assert shown is not None and shown.guide is not None
    x1, y1, x2, y2 = shown.guide
    assert shown.series[0].points == [((x1 + x2) / 2, (y1 + y2) / 2)]


def test_the_table_of_a_card_has_a_line_for_each_tenth() -> None:
    lines = [line(i / 100) for i in range(3, 101)]
    assert [entry["coverage"] for entry in deciles(lines)] == [i / 10 for i in range(1, 11)]
    assert deciles([line(0.4), line(0.97)]) == [line(0.4), line(0.97)]
    assert deciles([]) == []


def test_a_curve_has_the_lines_of_its_set() -> None:
    values = dict(coverage="1.0", threshold="0.5", accuracy="0.9", low="0.8", high="1.0", overall="0.9")
    table = [{"set": name, **values} for name in ("validation", "test", "test")]
    assert {name: len(lines) for name, lines in curves(table).items()} == {"golden": 0, "test": 2}
