"""The journal as a file: intact, damaged, upgraded, shared."""

from __future__ import annotations

import json
import os
import random
import shutil
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from promptstill.console.errors import UserError
from promptstill.teacher.journal import Journal
from promptstill.teacher.journal_format import VERSION
from promptstill.teacher.record import Record
from stages.generate import __main__ as generate
from tests.project import REPOSITORY, write
from tests.teacher_server import TeacherServer

RECORD: Record = {"response": "red", "model": "m", "recorded_at": "2026-11-01T00:00:00Z", "task": "colour"}


def filled(path: Path, count: int) -> dict[str, Record]:
    """A journal of several transactions, as a kill leaves it: part of it still in the write-ahead log."""
    records: dict[str, Record] = {
        f"{i:064x}": {**RECORD, "response": f"answer {i} " + "x" * (i % 700)} for i in range(count)
    }
    script = (
        "import os, sys, json\nfrom pathlib import Path\nfrom promptstill.teacher.journal import Journal\n"
        "records = json.loads(sys.stdin.read())\njournal = Journal(Path(sys.argv[1]))\n"
        "keys = list(records)\n"
        "for i in range(0, len(keys), 50):\n    journal.add({k: records[k] for k in keys[i:i + 50]})\n"
        "    if i == 500: journal._writer.execute('PRAGMA wal_checkpoint(TRUNCATE)')\n"
        "os._exit(9)\n"
    )
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
                replies = journal.get(records)
            opened += 1
            lost += len(replies) < len(records)
            assert all(records[key] == record for key, record in replies.items())
        except UserError as error:
            refused += 1
            assert "j.sqlite: " in str(error), error
            assert "move it and its -wal and -shm files away" in str(error), error
        shutil.rmtree(folder)
    assert opened > 10, "a log that ends early is intact up to there"
    assert refused > 10
    assert lost > 0


def test_a_changed_record_is_refused(tmp_path: Path) -> None:
    with Journal(tmp_path / "j.sqlite") as journal:
        journal.add({"a": RECORD})
        journal._writer.execute("""UPDATE answers SET record = replace(record, 'red', 'blue')""")
        with pytest.raises(UserError, match="record a does not match its checksum"):
            journal.get(["a"])
        assert journal.problems() == ["record a does not match its checksum"]


def test_the_first_record_of_a_key_stays(tmp_path: Path) -> None:
    with Journal(tmp_path / "j.sqlite") as journal:
        journal.add({"k": {"response": "first"}})
        journal.add({"k": {"response": "second"}, "l": {"response": "other"}})
        assert journal.get(["k", "l", "m"]) == {"k": {"response": "first"}, "l": {"response": "other"}}


def test_a_file_that_is_not_a_journal_is_an_error(tmp_path: Path) -> None:
    write(tmp_path / "j.sqlite", "this is not a database, whatever its name says" * 100)
    with pytest.raises(UserError, match="cannot open the journal"):
        Journal(tmp_path / "j.sqlite")


def test_a_journal_that_cannot_be_written_ends_the_run(ingested: Path, teacher: TeacherServer) -> None:
    trigger = "CREATE TRIGGER full BEFORE INSERT ON answers BEGIN SELECT RAISE(FAIL, 'disk full'); END"
    with Journal(ingested / ".still/journal.sqlite") as journal:
        journal._writer.execute(trigger)
    with pytest.raises(UserError, match=r"journal.sqlite: cannot write the journal \(disk full\)"):
        generate.main("colour")


def test_a_journal_of_the_first_format_is_upgraded(tmp_path: Path) -> None:
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
        "import sys\nfrom pathlib import Path\nfrom promptstill.teacher.journal import Journal\n"
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


def test_several_may_open_a_new_journal_at_once(tmp_path: Path) -> None:
    at_once = 4
    start = Barrier(at_once)

    def open_new(path: Path) -> None:
        start.wait()
        with Journal(path):
            pass

    with ThreadPoolExecutor(at_once) as threads:
        for case in range(60):
            list(threads.map(open_new, [tmp_path / str(case) / "j.sqlite"] * at_once))
