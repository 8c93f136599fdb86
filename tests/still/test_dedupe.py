"""`still dedupe`."""

from __future__ import annotations

from pathlib import Path

from tests.conftest import Run
from tests.project import write_lines
from tests.rows import kept_row


def test_other_thresholds_are_shown_without_building(project: Path, run: Run) -> None:
    texts = [
        "The red box arrived broken today",
        "The red box arrived broken today!!",
        "Where is my green lamp",
    ]
    rows = [dict(kept_row(i, input=text)) for i, text in enumerate(texts)]
    write_lines(project / "data/validate/colour/rows.jsonl", rows)
    arguments = ("still.cli", "dedupe", "colour", "--meaning", "0.5", "--text", "0.5")
    shown = run(*arguments, cwd=project, COLUMNS="160")
    assert shown.returncode == 0, shown.stderr
    assert "+ meaning" in shown.stdout, "the pair that params.yaml separates"
    assert "row-000" in shown.stdout
    assert "row-001" in shown.stdout
    assert not (project / "data/dedupe").exists()
    refused = run("still.cli", "dedupe", "colour", "--text", "7", cwd=project)
    assert refused.stderr == "error: --text 7.0: must be between 0 and 1\n"
