"""`still estimate` and `still preview`: what a run would cost, and what an edited prompt changes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from stages.generate import __main__ as generate
from stages.ingest import __main__ as ingest
from stages.shared.answers import AnswerSpec
from tests.conftest import Run
from tests.project import configure, read_lines, row, write, write_lines
from tests.teacher_server import TeacherServer, last_line
from tests.test_generate_money import PRICE, SAMPLING
from tools.preview import spread

EDITED = "Which colour has the thing?\n{input}\n"


def table(text: str) -> dict[str, list[str]]:
    """Rows of a printed table by their first cell."""
    cells = [re.split(r"\s{2,}", line.strip()) for line in text.splitlines()]
    return {first: rest for first, *rest in cells if rest}


def test_an_estimate_before_anything_is_sent(ingested: Path, teacher: TeacherServer, run: Run) -> None:
    configure(
        ingested, base_url=teacher.url, price=PRICE, sampling=SAMPLING, max_samples=3, requests_per_minute=72
    )
    told = run("tools.cli", "estimate", "colour", cwd=ingested, COLUMNS="120")
    rows = table(told.stdout)
    assert rows["rows and golden inputs"] == ["18"]
    assert rows["answers known (recorded or journaled)"] == ["0"]
    assert rows["requests"] == ["36", "54"]
    assert rows["completion tokens"] == [str(36 * 8)]
    assert rows["time"] == ["0.5 min"]
    expected, most = map(float, rows["USD"])
    assert 0 < expected < most
    assert teacher.requests == []
    assert not (ingested / "data/generate").exists()


def test_an_estimate_takes_off_what_is_known_and_learns_from_it(
    ingested: Path, teacher: TeacherServer, run: Run
) -> None:
    configure(ingested, base_url=teacher.url, price=PRICE, sampling=SAMPLING)
    generate.main("colour")
    write_lines(ingested / "data/traffic/colour.jsonl", [row(i) for i in range(14)])
    ingest.main("colour")
    rows = table(run("tools.cli", "estimate", "colour", cwd=ingested, COLUMNS="120").stdout)
    assert rows["answers known (recorded or journaled)"] == ["36"]
    assert rows["requests"] == ["4", "4"]
    assert 36 <= int(rows["prompt tokens"][0]) <= 44, "10 a request were counted"
    assert rows["completion tokens"] == ["8"]
    assert float(rows["USD"][0]) == pytest.approx(4 * 18e-6, rel=0.1)
    assert rows["time"][0].endswith("min")


def test_a_preview_shows_what_flips_and_only_the_journal_changes(
    ingested: Path, teacher: TeacherServer, run: Run
) -> None:
    configure(ingested, base_url=teacher.url, price=PRICE, sampling=SAMPLING)
    generate.main("colour")
    before = {path: path.read_bytes() for path in (ingested / "data").rglob("*") if path.is_file()}
    usual = teacher.reply
    changed = row(3)["input"]

    def reply(body: dict[str, object]) -> str:
        return "green" if "Which colour has" in str(body) and last_line(body) == changed else usual(body)

    teacher.reply = reply
    write(ingested / "edited.md", EDITED)
    told = run("tools.cli", "preview", "colour", "--prompt", "edited.md", "--rows", "12", cwd=ingested)
    assert told.returncode == 0, told.stderr
    was = usual({"messages": [{"content": changed}]})
    assert f'row-003: "{was}" -> "green"' in told.stdout
    assert table(told.stdout)["all rows"] == ["12", "1"]
    assert "these answers cost: 0.000432 USD" in told.stdout
    assert "a rebuild asks: about 12 more requests" in told.stdout
    assert "a rebuild costs: about 0.000216 USD more" in told.stdout
    assert {path: path.read_bytes() for path in (ingested / "data").rglob("*") if path.is_file()} == before

    page = (ingested / ".still/preview/colour.html").read_text()
    assert changed in page
    asked = len(teacher.requests)
    again = run("tools.cli", "preview", "colour", "--prompt", "edited.md", "--rows", "12", cwd=ingested)
    assert again.returncode == 0
    assert len(teacher.requests) == asked, "what was shown once is not paid for again"
    write(ingested / "prompts/colour/teacher.md", EDITED)
    generate.main("colour")
    assert len(teacher.requests) == asked + 12, "the six golden inputs alone are new"


def test_a_page_shows_traffic_as_text(ingested: Path, teacher: TeacherServer, run: Run) -> None:
    attack = "<script>alert(1)</script> <img src=x onerror=alert(2)> a red box"
    write_lines(ingested / "data/traffic/colour.jsonl", [row(0) | {"input": attack}])
    ingest.main("colour")
    teacher.reply = lambda body: "red"
    generate.main("colour")
    teacher.reply = lambda body: "<b>blue</b>"
    write(ingested / "edited.md", EDITED)
    assert run("tools.cli", "preview", "colour", "--prompt", "edited.md", cwd=ingested).returncode == 0
    page = (ingested / ".still/preview/colour.html").read_text()
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<script>alert" not in page
    assert "<img" not in page


def test_mistakes_of_a_preview_are_told(ingested: Path, run: Run) -> None:
    write(ingested / "edited.md", EDITED)
    told = run("tools.cli", "preview", "colour", "--prompt", "edited.md", cwd=ingested)
    assert told.stderr == (
        "error: data/generate/colour/rows.jsonl: no such file; run `dvc repro generate` first\n"
    )
    told = run("tools.cli", "preview", "colour", "--prompt", "missing.md", cwd=ingested)
    assert told.stderr == "error: missing.md: no such file; create it\n"


def test_rows_are_spread_over_labels_and_slices(ingested: Path) -> None:
    generate.main("colour")
    rows = read_lines(ingested / "data/generate/colour/rows.jsonl")
    spec = AnswerSpec.load("colour")

    def strata(some: list[dict[str, Any]]) -> list[tuple[str, ...]]:
        return [(one["samples"][0]["response"], *one["slices"]) for one in some]

    kinds = len(set(strata(rows)))
    assert 1 < kinds < len(rows)
    chosen = spread(rows, kinds, spec)
    assert len(set(strata(chosen))) == kinds, "one of each before a second of any"
    assert chosen == spread(rows[::-1], kinds, spec)
