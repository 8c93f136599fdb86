"""`still estimate`: what a run would ask and cost."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.generate import __main__ as generate
from stages.ingest import __main__ as ingest
from tests.conftest import Run
from tests.project import configure, row, write_lines
from tests.promptstill.teacher.project_state import PRICE, SAMPLING
from tests.still.tables import table
from tests.teacher_server import TeacherServer


def test_an_estimate_sends_nothing(ingested: Path, teacher: TeacherServer, run: Run) -> None:
    configure(
        ingested, base_url=teacher.url, price=PRICE, sampling=SAMPLING, max_samples=3, requests_per_minute=72
    )
    rows = table(run("still.cli", "estimate", "colour", cwd=ingested, COLUMNS="120").stdout)
    assert rows["rows and golden inputs"] == ["18"]
    assert rows["answers known (recorded or journaled)"] == ["0"]
    assert rows["requests"] == ["36", "54"]
    assert rows["completion tokens"] == [str(36 * 8)]
    assert rows["time"] == ["0.5 min"]
    expected, most = map(float, rows["USD"])
    assert 0 < expected < most
    assert teacher.requests == []
    assert not (ingested / "data/generate").exists()


def test_an_estimate_leaves_out_known_answers_and_learns_from_them(
    ingested: Path, teacher: TeacherServer, run: Run
) -> None:
    configure(ingested, base_url=teacher.url, price=PRICE, sampling=SAMPLING)
    generate.main("colour")
    write_lines(ingested / "data/traffic/colour.jsonl", [row(i) for i in range(14)])
    ingest.main("colour")
    rows = table(run("still.cli", "estimate", "colour", cwd=ingested, COLUMNS="120").stdout)
    assert rows["answers known (recorded or journaled)"] == ["36"]
    assert rows["requests"] == ["4", "4"]
    assert 36 <= int(rows["prompt tokens"][0]) <= 44, "the known prompts have 10 tokens each"
    assert rows["completion tokens"] == ["8"]
    assert float(rows["USD"][0]) == pytest.approx(4 * 18e-6, rel=0.1)
    assert rows["time"][0].endswith("min")
