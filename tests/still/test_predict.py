"""`still predict`: answers of the trained student."""

from __future__ import annotations

import json
from pathlib import Path

from tests.conftest import Run
from tests.project import write


def test_predicting_without_a_student_names_the_ways_to_get_one(project: Path, run: Run) -> None:
    write(project / "in.jsonl", json.dumps({"id": "a", "input": "x"}))
    ended = run("still.cli", "predict", "colour", "--input", "in.jsonl", "--output", "out.jsonl", cwd=project)
    assert ended.returncode == 1
    assert ended.stderr == (
        "error: models/colour/student.json: no such file; build the student with `dvc repro`, or get it with "
        "`dvc pull`\n"
    )
