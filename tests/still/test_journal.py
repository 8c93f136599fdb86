"""`still journal`: export, import, verify, forget."""

from __future__ import annotations

import sqlite3
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import still.journal
from promptstill.console.errors import UserError
from promptstill.teacher.budget import USD, Charge, Ledger
from promptstill.teacher.journal import Journal
from promptstill.teacher.journal_format import checksum
from promptstill.teacher.open_batches import OpenBatch, OpenBatches
from promptstill.teacher.record import Record
from stages.generate import __main__ as generate
from tests.conftest import Run
from tests.project import configure, read_lines, write, write_lines
from tests.promptstill.teacher.project_state import PRICE, SAMPLING, spent
from tests.teacher_server import Fault, TeacherServer

RECORD: Record = {"response": "red", "model": "m", "recorded_at": "2026-11-01T00:00:00Z", "task": "colour"}


def test_paid_answers_move_to_another_machine(
    ingested: Path, teacher: TeacherServer, run: Run, tmp_path_factory: pytest.TempPathFactory
) -> None:
    generate.main("colour")
    out = (ingested / "data/generate/colour/rows.jsonl").read_bytes()
    exported = run("still.cli", "journal", "export", "colour", cwd=ingested)
    assert (
        exported.stdout == "data/recorded/colour.jsonl: 36 answers added to 0; commit it, or `dvc add` it\n"
    )
    again = run("still.cli", "journal", "export", "colour", cwd=ingested)
    assert "0 answers added to 36" in again.stdout
    recorded = read_lines(ingested / "data/recorded/colour.jsonl")
    assert all("seconds" not in record for record in recorded), "the time it took is not part of an answer"

    (ingested / ".still/journal.sqlite").unlink()
    configure(ingested)
    generate.main("colour")
    assert (ingested / "data/generate/colour/rows.jsonl").read_bytes() == out

    paid = ingested / "paid.jsonl"
    (ingested / "data/recorded/colour.jsonl").rename(paid)
    imported = run("still.cli", "journal", "import", "colour", str(paid), cwd=ingested)
    assert imported.stdout.endswith("journal.sqlite: 36 of 36 answers were new\n")
    generate.main("colour")
    assert (ingested / "data/generate/colour/rows.jsonl").read_bytes() == out
    assert len(teacher.requests) == 36


def peak_memory(work: Callable[..., None], *arguments: object) -> int:
    """The most bytes of Python objects that were alive at once during some work."""
    tracemalloc.start()
    work(*arguments)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def test_moving_many_answers_takes_no_more_memory_than_moving_few(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exporting, importing = [], []
    for count in (1000, 10_000):
        folder = project / str(count)
        monkeypatch.setenv("PROMPTSTILL_HOME", str(folder / "here"))
        with Journal(folder / "here/journal.sqlite") as journal:
            journal.add({f"{i:064x}": {**RECORD, "response": "x" * 1000} for i in range(count)})
        recorded = project / "data/recorded/colour.jsonl"
        # Half of the answers are already in the file, and are read from it.
        recorded.unlink(missing_ok=True)
        still.journal.export("colour")
        lines = recorded.read_text(encoding="utf-8").splitlines(keepends=True)
        write(recorded, "".join(lines[: count // 2]))
        exporting.append(peak_memory(still.journal.export, "colour"))
        assert recorded.read_text(encoding="utf-8") == "".join(lines)

        monkeypatch.setenv("PROMPTSTILL_HOME", str(folder / "there"))
        importing.append(peak_memory(still.journal.import_answers, "colour", recorded))
        with Journal(folder / "there/journal.sqlite") as journal:
            assert sum(1 for _ in journal.records("colour")) == count
    assert exporting[1] < 1.5 * exporting[0]
    assert importing[1] < 1.5 * importing[0]


def test_nothing_is_imported_from_a_file_with_a_broken_line(project: Path) -> None:
    lines = [{**RECORD, "key": f"{i:064x}"} for i in range(1500)]
    write_lines(project / "paid.jsonl", [*lines, {"key": "no response"}])
    with pytest.raises(UserError, match=r"paid\.jsonl:1501: `response` is missing"):
        still.journal.import_answers("colour", project / "paid.jsonl")
    assert not (project / ".still/journal.sqlite").exists()


def test_the_lines_of_a_recorded_file_stay_as_they_are(project: Path) -> None:
    line = '{"key": "b", "note": "by hand", "response": "red", "model": "m", "recorded_at": "2026"}\n'
    write(project / "data/recorded/colour.jsonl", line)
    with Journal(project / ".still/journal.sqlite") as journal:
        journal.add({**dict.fromkeys("cba", RECORD), "d": {**RECORD, "task": "another"}})
    still.journal.export("colour")
    kept, *added = (project / "data/recorded/colour.jsonl").read_text().splitlines(keepends=True)
    assert kept == line
    answer = '"response": "red", "model": "m", "recorded_at": "2026-11-01T00:00:00Z"}\n'
    assert added == [f'{{"key": "{key}", {answer}' for key in "ac"]


def test_stats_verify_and_prune_on_the_command_line(ingested: Path, teacher: TeacherServer, run: Run) -> None:
    assert "no journal yet" in run("still.cli", "journal", "stats", cwd=ingested).stderr
    generate.main("colour")
    write(ingested / "prompts/colour/teacher.md", "Which colour?\n{input}\n")
    generate.main("colour")

    stats = run("still.cli", "journal", "stats", cwd=ingested, COLUMNS="200").stdout
    assert stats.count("test-teacher") == 2
    assert "360" in stats
    verified = run("still.cli", "journal", "verify", cwd=ingested)
    assert verified.stdout.endswith("journal.sqlite: 72 answers, all intact\n")

    with Journal(ingested / ".still/journal.sqlite") as journal:
        prompts = sorted({record["prompt_hash"] for _, record in journal.records()})
    assert len(prompts) == 2
    refused = run("still.cli", "journal", "prune", "colour", cwd=ingested)
    assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)
    arguments = ("still.cli", "journal", "prune", "colour", "--prompt", prompts[0][:12])
    assert "36 answers of colour would be forgotten" in run(*arguments, cwd=ingested).stdout
    assert "36 answers of colour forgotten" in run(*arguments, "--yes", cwd=ingested).stdout
    wrong = run("still.cli", "journal", "prune", "colour", "--before", "soon", cwd=ingested)
    assert wrong.stderr == "error: --before soon: not a date; write it as 2026-11-30\n"

    with sqlite3.connect(ingested / ".still/journal.sqlite") as database:
        database.execute(
            "UPDATE answers SET sha256 = ? WHERE key = (SELECT min(key) FROM answers)", (checksum("", ""),)
        )
    bad = run("still.cli", "journal", "verify", cwd=ingested)
    assert bad.returncode == 1
    assert "1 problems, first: record" in bad.stderr


def test_a_ledger_can_be_corrected_with_who_and_why(ingested: Path, teacher: TeacherServer, run: Run) -> None:
    priced: dict[str, Any] = {"price": PRICE, "sampling": SAMPLING, "max_usd": 0.0004}
    configure(ingested, base_url=teacher.url, **priced)
    # Nothing arrives, and everything may have been billed.
    teacher.fault = lambda number, body: Fault(action="half")
    with pytest.raises(UserError):
        generate.main("colour")
    teacher.fault = lambda number, body: None
    with pytest.raises(UserError, match="max_usd"):
        generate.main("colour")
    arguments = ("still.cli", "journal", "correct", "colour", "--spent", "0", "--why", "no [bill] for it")
    unknown = run(*arguments, "--version", "beef", cwd=ingested)
    assert unknown.returncode == 1
    assert "0 versions of colour begin with beef; name one with --version: " in unknown.stderr
    before = spent(ingested)[0] / USD
    names = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_COUNT": "1"}
    person = {"GIT_CONFIG_KEY_0": "user.email", "GIT_CONFIG_VALUE_0": "ada@example.org"}
    corrected = run(*arguments, cwd=ingested, **names, **person)
    assert f"spent {before:.6f} USD before, 0.000000 USD now" in corrected.stdout
    assert spent(ingested)[0] == 0

    configure(ingested, base_url=teacher.url, **priced | {"max_usd": 1.0})
    generate.main("colour")
    assert spent(ingested)[0] == 36 * 18_000_000, "later spending is added to the corrected figure"
    stats = run("still.cli", "journal", "stats", cwd=ingested, COLUMNS="200").stdout
    (line,) = [line for line in stats.splitlines() if "ada@example.org" in line]
    assert f"{before:.6f}" in line
    assert "no [bill] for it" in line


def test_a_correction_ends_the_holds_of_dead_processes(ingested: Path, run: Run) -> None:
    with Journal(ingested / ".still/journal.sqlite") as journal, journal.transaction() as database:
        ledger = Ledger("beef", "colour", 1.0)
        ledger.settle(database, [Charge(0, 5 * USD)])
        database.execute("INSERT INTO holds VALUES ('beef', 0, 0.0, ?)", (3 * USD,))
    arguments = ("still.cli", "journal", "correct", "colour", "--spent", "2", "--why", "the bill")
    corrected = run(*arguments, "--version", "beef", cwd=ingested)
    assert corrected.stdout == "colour beef: spent 8.000000 USD before, 2.000000 USD now\n"
    assert spent(ingested)[0] == 2 * USD


@pytest.mark.parametrize("spent", ["inf", "nan", "1e300", "-1"])
def test_a_correction_is_an_amount_of_usd(ingested: Path, run: Run, spent: str) -> None:
    refused = run("still.cli", "journal", "correct", "colour", "--spent", spent, "--why", "x", cwd=ingested)
    assert refused.returncode == 1
    assert refused.stderr.startswith(f"error: --spent {float(spent)}: give a number of USD from 0 to")
    assert refused.stderr.count("\n") == 1


def test_batches_can_be_named_from_a_narrow_terminal(ingested: Path, run: Run) -> None:
    tokens = ["ab" + 30 * "1", "ab" + 30 * "2"]
    url = "https://a-long-name-of-a-server.example.org/openai/deployments/v1"
    with Journal(ingested / ".still/journal.sqlite") as journal, journal.transaction() as database:
        for token, file_id in zip(tokens, (None, "file"), strict=True):
            batch = OpenBatch(token, url, None, "colour", "s", "p", False, USD, file_id, file_id and "b" * 40)
            OpenBatches(journal).plan(database, batch, [])
    stats = run("still.cli", "journal", "stats", cwd=ingested, COLUMNS="80").stdout
    assert all(token[:12] in stats for token in tokens)
    assert "\u2026" not in stats
    both = run("still.cli", "journal", "drop-batch", "ab", cwd=ingested)
    assert f"2 open batches begin with ab; open are: {', '.join(tokens)}" in both.stderr
    planned = run("still.cli", "journal", "drop-batch", tokens[0][:12], cwd=ingested)
    assert "nothing counts as spent, because the batch was never started" in planned.stdout
    started = run("still.cli", "journal", "drop-batch", tokens[1][:12], cwd=ingested)
    assert "1.000000 USD count as spent" in started.stdout
