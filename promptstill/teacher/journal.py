"""The journal: every paid reply, by the key of its request. A reply is on disk before it is used.

The journal is a SQLite database in WAL mode, outside the outs of the pipeline. Several processes may share
it. The first record of a key stays, so recording is exactly-once although sending is at-least-once. Each
record has a checksum, so a damaged file gives an error and never a wrong answer.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from promptstill.console.errors import UserError
from promptstill.core.files import compact_json
from promptstill.core.sqlite import open_shared, with_keys
from promptstill.teacher.journal_format import VERSION, checksum, upgrade
from promptstill.teacher.record import Record


class DamagedError(sqlite3.DatabaseError):
    """A record that differs from what was written."""


class Journal:
    """Replies by request key. Use it as a context manager."""

    def __init__(self, path: Path) -> None:
        """Open or create the database. Raises UserError if the file is not a journal or cannot be written."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        with self._explained("open"):
            self._writer = self._connect()
            version = self._writer.execute("PRAGMA user_version").fetchone()[0]
            if version > VERSION:
                raise UserError(
                    f"{path}: written by a newer promptstill (format {version}); update this clone"
                )
            if version < VERSION:
                with self.transaction() as database:
                    upgrade(database, path)
                # Bodies of batches were files before; they are in the tables now.
                if (path.parent / "batches").exists():
                    shutil.rmtree(path.parent / "batches")
            self._reader = self._connect()

    def _connect(self) -> sqlite3.Connection:
        database = open_shared(self.path)
        database.isolation_level = None
        database.execute("PRAGMA synchronous = FULL")
        return database

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._reader.close()
        self._writer.close()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Statements that are on disk together when the block ends, or not at all.

        Raises UserError if the database cannot be written.
        """
        with self._explained("write"):
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
            except BaseException:
                self._writer.execute("ROLLBACK")
                raise
            self._writer.execute("COMMIT")

    @contextmanager
    def _explained(self, doing: str) -> Iterator[None]:
        """Turn errors of the database into one line with a remedy."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            remedy = "check disk space and permissions"
            # Errors without a code mean that content differs from what was written.
            if getattr(error, "sqlite_errorname", None) in (None, "SQLITE_CORRUPT", "SQLITE_NOTADB"):
                remedy = (
                    "the file is damaged or not a journal; move it and its -wal and -shm files away, then "
                    "restore a copy or `still journal import` what was exported"
                )
            raise UserError(f"{self.path}: cannot {doing} the journal ({error}); {remedy}") from None

    def get(self, keys: Iterable[str]) -> dict[str, Record]:
        """The records that exist, by key. Raises UserError for a damaged one."""
        query = "SELECT key, record, sha256 FROM answers"
        with self._explained("read"):
            return {line[0]: self._checked(*line) for line in with_keys(self._reader, query, keys)}

    def read_keys(self, query: str, keys: Iterable[str]) -> list[Any]:
        """The lines of a query whose `key` is among `keys`."""
        with self._explained("read"):
            return list(with_keys(self._reader, query, keys))

    def records(self, task: str | None = None) -> Iterator[tuple[str, Record]]:
        """All records with their keys, in order of keys; only those of `task` if it is named."""
        with self._explained("read"):
            for line in self._reader.execute("SELECT key, record, sha256 FROM answers ORDER BY key"):
                record = self._checked(*line)
                if task is None or record.get("task") == task:
                    yield line[0], record

    def _checked(self, key: str, record: str, expected: str) -> Record:
        if checksum(key, record) != expected:
            raise DamagedError(f"record {key[:12]} does not match its checksum")
        content: Record = json.loads(record)
        return content

    def add(self, records: Mapping[str, Record]) -> int:
        """Write records in one transaction; they are on disk when this returns. Returns how many were new:
        known keys keep their first record."""
        with self.transaction() as database:
            return insert(database, records)

    def remove(self, keys: list[str]) -> None:
        """Forget answers."""
        with self.transaction() as database:
            database.executemany("DELETE FROM answers WHERE key = ?", [(key,) for key in keys])

    def fact(self, name: str) -> str | None:
        """Something learnt about a server, such as whether it accepts a response format."""
        lines = self.read("SELECT value FROM facts WHERE name = ?", name)
        return str(lines[0][0]) if lines else None

    def note_fact(self, name: str, value: str) -> None:
        """Remember what was learnt."""
        with self.transaction() as database:
            database.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value))

    def spending(self) -> list[tuple[str, str, int, int, int, int]]:
        """Task, scope, calls, failed calls, pico-USD spent and held, per version of the questions."""
        return self.read(
            "SELECT task, scope, calls, failed, spent, "
            "(SELECT coalesce(sum(amount), 0) FROM holds WHERE holds.scope = ledger.scope) + "
            "(SELECT coalesce(sum(held), 0) FROM batches WHERE batches.scope = ledger.scope) "
            "FROM ledger ORDER BY task, scope"
        )

    def corrections(self) -> list[tuple[str, str, str, str, int, int, str]]:
        """Time, who, task, scope, pico-USD before and after, and why, of every correction of the ledger."""
        return self.read("SELECT at, who, task, scope, before, after, why FROM corrections ORDER BY at")

    def read(self, query: str, *values: object) -> list[Any]:
        """The lines of a query."""
        with self._explained("read"):
            return self._reader.execute(query, values).fetchall()

    def problems(self) -> list[str]:
        """What is wrong with the file, one line per problem: SQLite's own check, then the checksums."""
        try:
            checked = [str(line[0]) for line in self._reader.execute("PRAGMA integrity_check(20)")]
            bad = [
                f"record {key} does not match its checksum"
                for key, record, expected in self._reader.execute("SELECT key, record, sha256 FROM answers")
                if checksum(key, record) != expected
            ]
        except sqlite3.DatabaseError as error:
            return [str(error)]
        return [line for line in checked if line != "ok"] + bad


def insert(database: sqlite3.Connection, records: Mapping[str, Record]) -> int:
    """Add records inside a transaction; returns how many were new."""
    before = database.total_changes
    lines = [(key, compact_json(record)) for key, record in records.items()]
    database.executemany(
        "INSERT OR IGNORE INTO answers VALUES (?, ?, ?)",
        [(key, record, checksum(key, record)) for key, record in lines],
    )
    return database.total_changes - before
