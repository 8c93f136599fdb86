"""The journal as a file: whole, damaged, shared, exported and imported."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

import tools.journal
from stages.generate import __main__ as generate
from stages.generate.journal import VERSION, Journal, checksum
from stages.shared.errors import UserError
from tests.conftest import Run
from tests.project import REPOSITORY, configure, read_lines, write, write_lines
from tests.teacher_server import TeacherServer

RECORD = {"response": "red", "model": "m", "recorded_at": "2026-11-01T00:00:00Z", "task": "colour"}


def filled(path: Path, count: int) -> dict[str, dict[str, str]]:
    """A journal of several transactions, as a kill leaves it: part of it still in the write-ahead log."""
    records = {f"{i:064x}": RECORD | {"response": f"answer {i} " + "x" * (i % 700)} for i in range(count)}
    script = (
        "import os, sys, json\nfrom pathlib import Path\nfrom stages.generate.journal import Journal\n"
        "records = json.loads(sys.stdin.read())\njournal = Journal(Path(sys.argv[1]))\n"
        "keys = list(records)\n"
        "for i in range(0, len(keys), 50):\n    journal.add({k: records[k] for k in keys[i:i + 50]})\n"
        "    if i == 500: journal._writer.execute('PRAGMA wal_checkpoint(TRUNCATE)')\n"
        "os._exit(9)\n"
    )
    import json

    subprocess.run(
        [sys.executable, "-c", script, str(path)], input=json.dumps(records), text=True, check=False,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
    )  # fmt: skip
    return records


def test_a_truncated_or_damaged_file_never_gives_a_wrong_answer(tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    whole.mkdir()
    records = filled(whole / "j.sqlite", 1000)
    assert (whole / "j.sqlite-wal").stat().st_size > 0
    pick = random.Random(7)
    opened = refused = lost = 0
    for case in range(120):
        folder = tmp_path / str(case)
        shutil.copytree(whole, folder)
        damaged = folder / pick.choice(["j.sqlite", "j.sqlite-wal", "j.sqlite-wal"])
        content = bytearray(damaged.read_bytes())
        if case % 2:
            content = content[: pick.randrange(len(content))]
        else:
            for _ in range(pick.choice([1, 20])):
                content[pick.randrange(len(content))] ^= 1 << pick.randrange(8)
        damaged.write_bytes(content)
        try:
            with Journal(folder / "j.sqlite") as journal:
                found = journal.get(records)
            opened += 1
            lost += len(found) < len(records)
            assert all(records[key] == record for key, record in found.items())
        except UserError as error:
            refused += 1
            assert "j.sqlite: " in str(error), error
            assert "move it and its -wal and -shm files away" in str(error), error
        shutil.rmtree(folder)
    assert opened > 10, "a log that ends early is whole up to there"
    assert refused > 10
    assert lost > 0


def test_a_changed_record_is_refused(tmp_path: Path) -> None:
    with Journal(tmp_path / "j.sqlite") as journal:
        journal.add({"a": RECORD})
        journal._writer.execute("""UPDATE answers SET record = replace(record, 'red', 'blue')""")
        with pytest.raises(UserError, match="record a does not match its checksum"):
            journal.get(["a"])
        assert journal.problems() == ["record a does not match its checksum"]


def test_a_journal_of_the_first_format_is_taken_over(tmp_path: Path) -> None:
    database = sqlite3.connect(tmp_path / "j.sqlite")
    database.execute("CREATE TABLE answers (key TEXT PRIMARY KEY, record TEXT NOT NULL) WITHOUT ROWID")
    database.execute("""INSERT INTO answers VALUES ('k', '{"response": "red"}')""")
    database.commit()
    database.close()
    for _ in range(2):
        with Journal(tmp_path / "j.sqlite") as journal:
            assert journal.get(["k"]) == {"k": {"response": "red"}}
            assert journal.problems() == []


def test_an_empty_journal_of_the_first_format_takes_answers(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "j.sqlite") as database:
        database.execute("CREATE TABLE answers (key TEXT PRIMARY KEY, record TEXT NOT NULL) WITHOUT ROWID")
    with Journal(tmp_path / "j.sqlite") as journal:
        journal.add({"k": {"response": "red"}})
        assert journal.get(["k"]) == {"k": {"response": "red"}}


def test_a_journal_of_a_newer_promptstill_is_left_alone(tmp_path: Path) -> None:
    with Journal(tmp_path / "j.sqlite") as journal:
        journal._writer.execute(f"PRAGMA user_version = {VERSION + 1}")
    with pytest.raises(UserError, match="written by a newer promptstill"):
        Journal(tmp_path / "j.sqlite")


def test_several_processes_share_a_journal(tmp_path: Path) -> None:
    script = (
        "import sys\nfrom pathlib import Path\nfrom stages.generate.journal import Journal\n"
        "with Journal(Path(sys.argv[1])) as journal:\n"
        "    for i in range(60):\n        journal.add({f'{sys.argv[2]}-{i}': {'response': str(i)}, "
        "f'both-{i}': {'response': str(i)}})\n"
    )
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    running = [
        subprocess.Popen([sys.executable, "-c", script, str(tmp_path / "j.sqlite"), name], env=environment)
        for name in "abc"
    ]
    assert [process.wait() for process in running] == [0, 0, 0]
    with Journal(tmp_path / "j.sqlite") as journal:
        assert sum(1 for _ in journal.records()) == 4 * 60
        assert journal.problems() == []


def test_what_was_paid_for_moves_to_another_machine(
    ingested: Path, teacher: TeacherServer, run: Run, tmp_path_factory: pytest.TempPathFactory
) -> None:
    generate.main("colour")
    out = (ingested / "data/generate/colour/rows.jsonl").read_bytes()
    told = run("tools.cli", "journal", "export", "colour", cwd=ingested)
    assert told.stdout == "data/recorded/colour.jsonl: 36 answers added to 0; commit it, or `dvc add` it\n"
    again = run("tools.cli", "journal", "export", "colour", cwd=ingested)
    assert "0 answers added to 36" in again.stdout
    recorded = read_lines(ingested / "data/recorded/colour.jsonl")
    assert all("seconds" not in record for record in recorded), "how long it took is no part of an answer"

    (ingested / ".still/journal.sqlite").unlink()
    configure(ingested)
    generate.main("colour")
    assert (ingested / "data/generate/colour/rows.jsonl").read_bytes() == out

    exported = ingested / "paid.jsonl"
    (ingested / "data/recorded/colour.jsonl").rename(exported)
    told = run("tools.cli", "journal", "import", "colour", str(exported), cwd=ingested)
    assert told.stdout.endswith("journal.sqlite: 36 of 36 answers were new\n")
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
            journal.add({f"{i:064x}": RECORD | {"response": "x" * 1000} for i in range(count)})
        recorded = project / "data/recorded/colour.jsonl"
        # Half of the answers stand in the file already, and are read from it.
        recorded.unlink(missing_ok=True)
        tools.journal.export("colour")
        lines = recorded.read_text(encoding="utf-8").splitlines(keepends=True)
        write(recorded, "".join(lines[: count // 2]))
        exporting.append(peak_memory(tools.journal.export, "colour"))
        assert recorded.read_text(encoding="utf-8") == "".join(lines)

        monkeypatch.setenv("PROMPTSTILL_HOME", str(folder / "there"))
        importing.append(peak_memory(tools.journal.import_answers, "colour", recorded))
        with Journal(folder / "there/journal.sqlite") as journal:
            assert sum(1 for _ in journal.records("colour")) == count
    assert exporting[1] < 1.5 * exporting[0]
    assert importing[1] < 1.5 * importing[0]


def test_a_file_with_a_broken_line_brings_nothing_in(project: Path) -> None:
    lines = [RECORD | {"key": f"{i:064x}"} for i in range(1500)]
    write_lines(project / "paid.jsonl", [*lines, {"key": "no response"}])
    with pytest.raises(UserError, match=r"paid\.jsonl:1501: `response` is missing"):
        tools.journal.import_answers("colour", project / "paid.jsonl")
    assert not (project / ".still/journal.sqlite").exists()


def test_the_lines_of_a_recorded_file_stay_as_they_are(project: Path) -> None:
    line = '{"key": "b", "note": "by hand", "response": "red", "model": "m", "recorded_at": "2026"}\n'
    write(project / "data/recorded/colour.jsonl", line)
    with Journal(project / ".still/journal.sqlite") as journal:
        journal.add({key: RECORD for key in "cba"} | {"d": RECORD | {"task": "another"}})
    tools.journal.export("colour")
    kept, *added = (project / "data/recorded/colour.jsonl").read_text().splitlines(keepends=True)
    assert kept == line
    answer = '"response": "red", "model": "m", "recorded_at": "2026-11-01T00:00:00Z"}\n'
    assert added == [f'{{"key": "{key}", {answer}' for key in "ac"]


def test_the_journal_on_the_command_line(ingested: Path, teacher: TeacherServer, run: Run) -> None:
    assert "no journal yet" in run("tools.cli", "journal", "stats", cwd=ingested).stderr
    generate.main("colour")
    write(ingested / "prompts/colour/teacher.md", "Which colour?\n{input}\n")
    generate.main("colour")

    stats = run("tools.cli", "journal", "stats", cwd=ingested, COLUMNS="200").stdout
    assert stats.count("test-teacher") == 2
    assert "360" in stats
    verified = run("tools.cli", "journal", "verify", cwd=ingested)
    assert verified.stdout.endswith("journal.sqlite: 72 answers, all whole\n")

    with Journal(ingested / ".still/journal.sqlite") as journal:
        prompts = sorted({record["prompt_hash"] for _, record in journal.records()})
    assert len(prompts) == 2
    refused = run("tools.cli", "journal", "prune", "colour", cwd=ingested)
    assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)
    arguments = ("tools.cli", "journal", "prune", "colour", "--prompt", prompts[0][:12])
    assert "36 answers of colour would be forgotten" in run(*arguments, cwd=ingested).stdout
    assert "36 answers of colour forgotten" in run(*arguments, "--yes", cwd=ingested).stdout
    wrong = run("tools.cli", "journal", "prune", "colour", "--before", "soon", cwd=ingested)
    assert wrong.stderr == "error: --before soon: not a date; write it as 2026-11-30\n"

    with sqlite3.connect(ingested / ".still/journal.sqlite") as database:
        database.execute(
            "UPDATE answers SET sha256 = ? WHERE key = (SELECT min(key) FROM answers)", (checksum("", ""),)
        )
    bad = run("tools.cli", "journal", "verify", cwd=ingested)
    assert bad.returncode == 1
    assert "1 problems, first: record" in bad.stderr
