"""`still preview`: what an edited prompt changes."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from promptstill.answers.spec import AnswerSpec
from promptstill.core.files import read_rows
from promptstill.core.paths import out
from promptstill.rows.row import SampledRow
from stages.generate import __main__ as generate
from stages.ingest import __main__ as ingest
from still.preview import spread
from tests.conftest import Run
from tests.project import configure, row, write, write_lines
from tests.promptstill.teacher.project_state import PRICE, SAMPLING
from tests.still.tables import table
from tests.teacher_server import TeacherServer, last_line

EDITED = "Which colour has the thing?\n{input}\n"


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
    shown = run("still.cli", "preview", "colour", "--prompt", "edited.md", "--rows", "12", cwd=ingested)
    assert shown.returncode == 0, shown.stderr
    was = usual({"messages": [{"content": changed}]})
    assert f'row-003: "{was}" -> "green"' in shown.stdout
    assert table(shown.stdout)["all rows"] == ["12", "1", "0"]
    assert "these answers cost: 0.000432 USD" in shown.stdout
    assert "a rebuild asks: 12 more requests, at most 12\n" in shown.stdout
    cost = shown.stdout.split("a rebuild costs: about ")[1].split()[0]
    assert float(cost) == pytest.approx(12 * 18e-6, rel=0.15)
    assert "flips: 1; about 0 by chance" in shown.stdout
    assert {path: path.read_bytes() for path in (ingested / "data").rglob("*") if path.is_file()} == before

    page = (ingested / ".still/preview/colour.html").read_text()
    assert changed in page
    asked = len(teacher.requests)
    again = run("still.cli", "preview", "colour", "--prompt", "edited.md", "--rows", "12", cwd=ingested)
    assert again.returncode == 0
    assert len(teacher.requests) == asked, "the answers of the first preview are not paid for again"
    write(ingested / "prompts/colour/teacher.md", EDITED)
    generate.main("colour")
    assert len(teacher.requests) == asked + 12, "only the six golden inputs are new"
    rebuilt = run("still.cli", "preview", "colour", "--prompt", "edited.md", "--rows", "3", cwd=ingested)
    assert "a rebuild asks: 0 more requests, at most 0\n" in rebuilt.stdout


def test_flips_stand_beside_those_that_chance_gives(ingested: Path, teacher: TeacherServer, run: Run) -> None:
    """The teacher answers one row at random under any prompt, so its flip says nothing about the edit."""
    answers = itertools.cycle(["red", "green", "blue", "green"])
    moody, usual = row(4)["input"], teacher.reply
    teacher.reply = lambda body: next(answers) if last_line(body) == moody else usual(body)
    configure(ingested, base_url=teacher.url, concurrency=1)
    generate.main("colour")
    write(ingested / "edited.md", EDITED)
    shown = run(
        "still.cli", "preview", "colour", "--prompt", "edited.md", "--rows", "12", cwd=ingested, COLUMNS="140"
    )
    assert table(shown.stdout)["all rows"] == ["12", "1", "1"]
    assert "flips: 1; about 1 by chance: the old prompt's own first two samples differ" in shown.stdout


def test_one_sample_a_row_shows_no_chance(ingested: Path, teacher: TeacherServer, run: Run) -> None:
    configure(ingested, base_url=teacher.url, samples=1)
    generate.main("colour")
    write(ingested / "edited.md", EDITED)
    shown = run("still.cli", "preview", "colour", "--prompt", "edited.md", "--rows", "12", cwd=ingested)
    assert "flips: 0; how many are chance is unknown" in shown.stdout
    assert "older" not in shown.stdout
    assert table(shown.stdout)["all rows"] == ["12", "0", "unknown"]


def test_the_page_shows_traffic_as_text(ingested: Path, teacher: TeacherServer, run: Run) -> None:
    attack = "<script>alert(1)</script> <img src=x onerror=alert(2)> a red box"
    write_lines(ingested / "data/traffic/colour.jsonl", [row(0) | {"input": attack}])
    ingest.main("colour")
    teacher.reply = lambda body: "red"
    generate.main("colour")
    teacher.reply = lambda body: "<b>blue</b>"
    write(ingested / "edited.md", EDITED)
    assert run("still.cli", "preview", "colour", "--prompt", "edited.md", cwd=ingested).returncode == 0
    page = (ingested / ".still/preview/colour.html").read_text()
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<script>alert" not in page
    assert "<img" not in page


def test_a_preview_without_rows_or_without_a_prompt_is_an_error(ingested: Path, run: Run) -> None:
    write(ingested / "edited.md", EDITED)
    failed = run("still.cli", "preview", "colour", "--prompt", "edited.md", cwd=ingested)
    assert failed.stderr == (
        "error: data/generate/colour/rows.jsonl: no such file; run `dvc repro generate@colour` first\n"
    )
    generate.main("colour")
    failed = run("still.cli", "preview", "colour", "--prompt", "missing.md", cwd=ingested)
    assert failed.stderr == "error: missing.md: no such file; create it\n"


def test_rows_are_spread_over_labels_and_slices(ingested: Path) -> None:
    generate.main("colour")
    rows = read_rows(out("generate", "colour"), SampledRow)
    spec = AnswerSpec.load("colour")

    def strata(rows: list[SampledRow]) -> list[tuple[str, ...]]:
        return [(line["samples"][0]["response"], *line["slices"]) for line in rows]

    kinds = len(set(strata(rows)))
    assert 1 < kinds < len(rows)
    chosen = spread(rows, kinds, spec)
    assert len(set(strata(chosen))) == kinds, "a row of each stratum before a second of any"
    assert chosen == spread(rows[::-1], kinds, spec)


def test_a_preview_after_an_import_says_what_it_leaves_out(
    ingested: Path, teacher: TeacherServer, run: Run
) -> None:
    generate.main("colour")
    write_lines(ingested / "data/traffic/colour.jsonl", [row(i) for i in range(14)])
    write(ingested / "edited.md", EDITED)
    shown = run("still.cli", "preview", "colour", "--prompt", "edited.md", "--rows", "2", cwd=ingested)
    assert "ingest is older than its inputs: data/traffic/colour.jsonl has 2 new rows\n" in shown.stdout
    assert "run `dvc repro generate@colour` and preview again" in shown.stdout
