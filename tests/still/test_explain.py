"""`still explain`: what happened to one row."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from promptstill.console.errors import UserError
from stages.ingest import __main__ as ingest
from still.explain import _of_input, history
from tests.cited import REFUSED, SPEC, asked, cited
from tests.project import row, write_lines


def test_a_row_and_its_repeat_are_explained_up_to_the_last_stage(project: Path) -> None:
    write_lines(project / "data/traffic/colour.jsonl", [row(0), row(1, input=row(0)["input"])])
    ingest.main("colour")
    assert history("colour", "row-000")[-1] == "not yet validated; run `dvc repro`"
    assert history("colour", "row-001")[0] == "row-001: the same text as the earlier row-000, folded into it"
    with pytest.raises(UserError, match="no row 'row-777'"):
        history("colour", "row-777")


def test_a_golden_case_is_explained(project: Path) -> None:
    ingest.main("colour")
    assert history("colour", "golden-00")[1] == (
        'golden case with the answer "red"; slices none; it enters no split'
    )


def test_cited_passages_are_shown_and_the_others_counted(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("still.explain.AnswerSpec.load", lambda task: SPEC)
    text = asked("When does it open?", "It opens at 9:00.", "It costs $4.", "Towels are $2.")
    assert _of_input("row-1", text, cited("At 9:00.", 1), "colour") == [
        'row-1: "Page: the pool\\nQuestion: When does it open?"',
        "  cited: [1] It opens at 9:00.",
        "  2 passages not cited",
    ]
    assert _of_input("row-1", text, REFUSED, "colour")[1:] == ["  3 passages not cited"]
    assert _of_input("row-1", text, None, "colour") == [f"row-1: {json.dumps(text)}"]
    assert _of_input("row-1", "Without passages", REFUSED, "colour") == ['row-1: "Without passages"']


def test_before_a_build_the_stage_to_run_is_named(project: Path) -> None:
    with pytest.raises(UserError, match="no such file; run `dvc repro ingest@colour` first"):
        history("colour", "row-000")
