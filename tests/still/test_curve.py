"""`still curve`: nested shares, a tiny student for each, and a curve that goes on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from promptstill.answers.measures import measures
from promptstill.answers.spec import AnswerSpec
from promptstill.console.errors import UserError
from promptstill.core.files import read_json, read_rows, write_json, write_rows
from promptstill.core.paths import details_file, model_dir, out
from promptstill.models.answering import Answerer
from promptstill.rows.row import SplitRow
from stages.train import __main__ as train
from stages.train import fit, trainer
from still import curve, curve_page, shares
from tests.conftest import Run
from tests.project import label_of, row
from tests.promptstill.answers.tasks import write_task
from tests.rows import split_row
from tests.trained import TASK, write_encoder_split, write_split

SPENT = {"requests": 60, "prompt_tokens": 5_000, "completion_tokens": 1_000, "cost_usd": 3.0}
UNKNOWN = {"requests": 60, "prompt_tokens": None, "completion_tokens": None, "cost_usd": None}


@pytest.fixture
def certified(project: Path, tiny: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with 18 certified train rows of three labels, and 9 test rows."""
    write_split(project, tiny, epochs=1)
    labels = [(i, label_of(row(i)["input"])) for i in range(30, 39)]
    write_rows(out("split", TASK, "test"), [split_row(i, answer=label, label=label) for i, label in labels])
    write_json(details_file("split", TASK), {"kept": 30})
    write_json(details_file("generate", TASK), SPENT)
    monkeypatch.setenv("COLUMNS", "160")
    return project


def ids(part: Sequence[SplitRow]) -> set[str]:
    return {entry["id"] for entry in part}


def rows_of(sizes: Sequence[int], labels: str) -> list[SplitRow]:
    """Components of these sizes; rows take the labels in turn."""
    components = [name for name, size in enumerate(sizes) for _ in range(size)]
    return [
        split_row(i, component=f"c{name}", label=labels[i % len(labels)]) for i, name in enumerate(components)
    ]


@pytest.mark.parametrize(
    ("sizes", "labels"),
    [
        ([1] * 80, "ab"),
        ([3, 1, 7, 2] * 20, "abcde"),
        ([30, *[2] * 40], "a" * 40 + "b"),
        ([1] * 64, "abcdefgh"),
    ],
)
def test_shares_are_nested_have_whole_components_and_every_label(sizes: list[int], labels: str) -> None:
    rows = rows_of(sizes, labels)
    parts = shares.shares_of(rows)
    assert parts[-1] == rows
    assert all(ids(small) < ids(large) for small, large in pairwise(parts))
    for part, share in zip(parts, shares.SHARES, strict=True):
        inside = {entry["component"] for entry in part}
        assert ids(part) == {entry["id"] for entry in rows if entry["component"] in inside}
        assert abs(len(part) - share * len(rows)) <= max(sizes) / 2
        assert {entry["label"] for entry in part} == set(labels)
    assert shares.shares_of(rows[::-1])[0] == parts[0][::-1], "the order of the rows does not matter"


def test_shares_of_free_text_are_of_the_same_sizes() -> None:
    rows = [split_row(i, component=f"c{i}", label=f"text {i}") for i in range(80)]
    assert [len(part) for part in shares.shares_of(rows)] == [10, 20, 40, 80]


def test_one_component_is_one_share() -> None:
    rows = rows_of([9], "ab")
    assert shares.shares_of(rows) == [rows]


def test_the_baseline_alone_needs_no_student(
    certified: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(curve, "student_answers", None)
    curve.curve(TASK, baseline_only=True)
    printed = capsys.readouterr().out
    lines = [line.split() for line in printed.splitlines() if line.strip()]
    assert lines[0] == ["accuracy"]
    assert lines[1] == ["rows", "components", "tokens", "USD", "ngrams"]
    # 6,000 tokens and 3 USD for 30 rows that split kept.
    assert [line[:4] for line in lines[3:7]] == [
        ["3", "3", "600", "0.30"],
        ["4", "4", "800", "0.40"],
        ["9", "9", "1,800", "0.90"],
        ["18", "18", "3,600", "1.80"],
    ]
    assert "\nngrams from 9 to 18 rows: " in printed
    assert "student" not in printed
    page = (certified / ".still/curve/colour.html").read_text()
    assert "USD for the teacher" in page
    assert ">1.80</text>" in page


def test_a_curve_has_a_student_for_every_share_and_goes_on_where_it_was(
    certified: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_json(details_file("generate", TASK), UNKNOWN)
    trained: list[int] = []

    def counted(*arguments: Any) -> Any:
        if len(trained) == 2:
            raise KeyboardInterrupt
        trained.append(len(arguments[1].examples))
        return trainer.train(*arguments)

    monkeypatch.setattr(fit, "train", counted)
    with pytest.raises(KeyboardInterrupt):
        curve.curve(TASK, baseline_only=False)
    assert trained == [3, 4]
    trained.clear()
    curve.curve(TASK, baseline_only=False)
    assert trained == [9, 18]
    assert len(list((certified / ".still/curve/colour").glob("*.json"))) == 4
    printed = capsys.readouterr().out
    assert "\nstudent from 9 to 18 rows: " in printed
    assert "Tokens are counted with the tokenizer of the base" in printed
    assert "USD" not in printed
    page = (certified / ".still/curve/colour.html").read_text()
    assert "tokens of the teacher" in page
    assert page.count('<g class="series2">') == 2, "points and intervals of the n-grams"

    # The n-grams of another version may answer otherwise.
    with monkeypatch.context() as other:
        other.setattr("sklearn.__version__", "0.0")
        with pytest.raises(KeyboardInterrupt):
            curve.curve(TASK, baseline_only=False)

    # Another test row changes every share.
    rows = [json.loads(line) for line in out("split", TASK, "test").read_text().splitlines()]
    write_rows(out("split", TASK, "test"), rows[1:])
    with pytest.raises(KeyboardInterrupt):
        curve.curve(TASK, baseline_only=False)


def test_all_rows_are_those_of_the_pipelines_student_if_it_is_up_to_date(
    certified: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not curve.is_trained(TASK), "no pipeline, so nothing is known"
    train.main(TASK)
    trained: list[int] = []

    def counted(*arguments: Any) -> Any:
        trained.append(len(arguments[1].examples))
        return trainer.train(*arguments)

    monkeypatch.setattr(fit, "train", counted)
    monkeypatch.setattr(curve, "is_trained", lambda _: True)
    curve.curve(TASK, baseline_only=False)
    assert trained == [3, 4, 9]
    kept = [read_json(path) for path in (certified / ".still/curve/colour").glob("*.json")]
    answers = next(share["answers"] for share in kept if share["rows"] == 18)
    whole = Answerer.load(model_dir(TASK), read_json(model_dir(TASK) / "student.json"), AnswerSpec.load(TASK))
    rows = read_rows(out("split", TASK, "test"), SplitRow, "split")
    assert answers == [given.answer for given in whole.answer([entry["input"] for entry in rows])]


def test_every_scored_key_has_a_curve(
    certified: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(curve, "measures", lambda spec: measures(spec) | {"shade_f1": lambda *_: 0.25})
    curve.curve(TASK, baseline_only=True)
    printed = capsys.readouterr().out
    assert printed.count("\nngrams from 9 to 18 rows: ") == 2
    assert "\nngrams from 9 to 18 rows: +0.000 " in printed
    page = (certified / ".still/curve/colour.html").read_text()
    assert "<h2>accuracy</h2>" in page
    assert "<h2>shade_f1</h2>" in page


def test_the_last_doubling_has_the_interval_of_its_difference() -> None:
    few, many = ({"accuracy": {"student": [float(i < right) for i in range(100)]}} for right in (60, 80))
    points = [curve_page.Point(850, 800, few), curve_page.Point(1700, 1600, many)]  # type: ignore[arg-type]
    said = curve_page.doubling(points, "accuracy", "student", [str(i) for i in range(100)], 0.95)
    assert said == "student from 850 to 1,700 rows: +0.200 (+0.117 to +0.276)"


def test_rows_that_split_did_not_certify_are_refused(certified: Path, run: Run) -> None:
    with out("split", TASK, "train").open("a") as lines:
        lines.write(json.dumps(split_row(50)) + "\n")
    ended = run("still.cli", "curve", TASK, cwd=certified)
    assert ended.returncode == 1
    assert ended.stderr == (
        "error: data/split/colour/train.jsonl: not the file that the leak certificate was made for; run "
        "`dvc repro split@colour`\n"
    )


def test_test_without_rows_is_an_error(certified: Path) -> None:
    out("split", TASK, "test").write_text("")
    with pytest.raises(
        UserError, match=r"test.jsonl: no rows to answer; raise params.yaml: colour.split.test"
    ):
        curve.curve(TASK, baseline_only=True)


def test_an_encoder_that_would_have_to_write_is_refused_as_in_training(certified: Path) -> None:
    write_encoder_split(certified)
    write_task(certified, {"type": "string"}, {"format": "text"})
    with pytest.raises(UserError, match=r"colour.train.student: an encoder chooses among listed values"):
        curve.curve(TASK, baseline_only=False)
