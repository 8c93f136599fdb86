"""The journal: every paid answer, by the key of its request, durable before anybody uses it.

A SQLite database in WAL mode outside the outs of the pipeline. Several processes may share it; the first
record of a key stays, so that recording is exactly-once where sending is at-least-once. Each record carries
a checksum, so that a damaged file gives an error and never a wrong answer.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from stages.shared.errors import UserError
from stages.shared.files import compact_json
from stages.shared.lookup import with_keys

# A record: `response` (the reply's text), `finish_reason`, `model` (as the server names it), `recorded_at`
# (ISO 8601, UTC); where the server tells them `prompt_tokens`, `completion_tokens` and `logprobs` (one a
# token); where they were asked for `structured`; and what it is an answer to: `task`, `id`, `sample`, `kind`,
# `prompt_hash`. `seconds` is how long the server took.
Record = dict[str, Any]

VERSION = 2
TABLES = """
CREATE TABLE IF NOT EXISTS answers (
    key TEXT PRIMARY KEY, record TEXT NOT NULL, sha256 TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS ledger (
    scope TEXT PRIMARY KEY, task TEXT NOT NULL, spent INTEGER NOT NULL, calls INTEGER NOT NULL,
    failed INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS holds (
    scope TEXT NOT NULL, pid INTEGER NOT NULL, started REAL NOT NULL, amount INTEGER NOT NULL,
    PRIMARY KEY (scope, pid, started)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS batches (
    token TEXT PRIMARY KEY, base_url TEXT NOT NULL, keys TEXT NOT NULL, scope TEXT NOT NULL,
    held INTEGER NOT NULL, file_id TEXT, batch_id TEXT
) WITHOUT ROWID;
"""


class DamagedError(sqlite3.DatabaseError):
    """A record that is not what was written."""


class Journal:
    """Answers by request key. Use as a context manager."""

    def __init__(self, path: Path) -> None:
        """Open or create the database. Raises UserError where the file is no journal or cannot be written."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        with self._told("open"):
            self._writer = self._connect()
            version = self._writer.execute("PRAGMA user_version").fetchone()[0]
            if version > VERSION:
                raise UserError(
                    f"{path}: written by a newer promptstill (format {version}); update this clone"
                )
            if version < VERSION:
                self._upgrade()
            self._reader = self._connect()

    def _connect(self) -> sqlite3.Connection:
        database = sqlite3.connect(self.path, timeout=60, isolation_level=None)
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        return database

    def _upgrade(self) -> None:
        """Make the tables; records of the first format, which had no checksum, get theirs."""
        with self.transaction() as database:
            columns = [row[1] for row in database.execute("PRAGMA table_info(answers)")]
            old: list[tuple[str, str]] = []
            if columns == ["key", "record"]:
                old = list(database.execute("SELECT key, record FROM answers"))
                database.execute("DROP TABLE answers")
            for statement in TABLES.split(";\n"):
                database.execute(statement)
            lines = [(key, record, checksum(key, record)) for key, record in old]
            database.executemany("INSERT OR IGNORE INTO answers VALUES (?, ?, ?)", lines)
            database.execute(f"PRAGMA user_version = {VERSION}")

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

        Raises UserError where the database cannot be written.
        """
        with self._told("write"):
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
            except BaseException:
                self._writer.execute("ROLLBACK")
                raise
            self._writer.execute("COMMIT")

    @contextmanager
    def _told(self, doing: str) -> Iterator[None]:
        """Errors of the database as one line with a remedy."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            remedy = "check disk space and permissions"
            # Errors without a code are about content that is not what was written.
            if getattr(error, "sqlite_errorname", None) in (None, "SQLITE_CORRUPT", "SQLITE_NOTADB"):
                remedy = (
                    "the file is damaged or none of ours; move it and its -wal and -shm files away, then put "
                    "a copy in its place or `still journal import` what was exported"
                )
            raise UserError(f"{self.path}: cannot {doing} the journal ({error}); {remedy}") from None

    def get(self, keys: Iterable[str]) -> dict[str, Record]:
        """The records that exist, by key. Raises UserError for a damaged one."""
        query = "SELECT key, record, sha256 FROM answers"
        with self._told("read"):
            return {line[0]: self._checked(*line) for line in with_keys(self._reader, query, keys)}

    def records(self, task: str | None = None) -> Iterator[tuple[str, Record]]:
        """All records with their keys, in order of keys; those of one task where it is named."""
        with self._told("read"):
            for line in self._reader.execute("SELECT key, record, sha256 FROM answers ORDER BY key"):
                record = self._checked(*line)
                if task is None or record.get("task") == task:
                    yield line[0], record

    def _checked(self, key: str, record: str, expected: str) -> Record:
        if checksum(key, record) != expected:
            raise DamagedError(f"record {key[:12]} does not match its checksum")
        found: Record = json.loads(record)
        return found

    def add(self, records: Mapping[str, Record]) -> int:
        """Write records in one transaction; when this returns they are on disk. Returns how many were new:
        known keys keep their first record."""
        with self.transaction() as database:
            return insert(database, records)

    def remove(self, keys: list[str]) -> None:
        """Forget answers."""
        with self.transaction() as database:
            database.executemany("DELETE FROM answers WHERE key = ?", [(key,) for key in keys])

    def fact(self, name: str) -> str | None:
        """Something found out about a server, such as whether it takes a response format."""
        with self._told("read"):
            found = self._reader.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return None if found is None else str(found[0])

    def note_fact(self, name: str, value: str) -> None:
        """Remember what was found out."""
        with self.transaction() as database:
            database.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value))

    def spending(self) -> list[tuple[str, str, int, int, int, int]]:
        """Task, scope, calls, failed calls, pico-USD spent and held, for each version of the questions."""
        query = (
            "SELECT task, scope, calls, failed, spent, "
            "(SELECT coalesce(sum(amount), 0) FROM holds WHERE holds.scope = ledger.scope) "
            "FROM ledger ORDER BY task, scope"
        )
        with self._told("read"):
            return list(self._reader.execute(query))

    def open_batches(self, scope: str, base_url: str) -> list[tuple[str, str, int, str | None, str | None]]:
        """Token, keys, hold, file id and batch id of the batches that are under way."""
        query = "SELECT token, keys, held, file_id, batch_id FROM batches WHERE scope = ? AND base_url = ?"
        with self._told("read"):
            return list(self._reader.execute(query + " ORDER BY token", (scope, base_url)))

    def update_batch(self, token: str, **ids: str) -> None:
        """Remember the id that the server gave a file or a batch."""
        with self.transaction() as database:
            for column, value in ids.items():
                assert column in ("file_id", "batch_id")
                database.execute(f"UPDATE batches SET {column} = ? WHERE token = ?", (value, token))

    def problems(self) -> list[str]:
        """What is wrong with the file, one line each: SQLite's own check, then every record's checksum."""
        try:
            found = [str(line[0]) for line in self._reader.execute("PRAGMA integrity_check(20)")]
            bad = [
                f"record {key} does not match its checksum"
                for key, record, expected in self._reader.execute("SELECT key, record, sha256 FROM answers")
                if checksum(key, record) != expected
            ]
        except sqlite3.DatabaseError as error:
            return [str(error)]
        return [line for line in found if line != "ok"] + bad


def insert(database: sqlite3.Connection, records: Mapping[str, Record]) -> int:
    """Add records inside a transaction; returns how many were new."""
    before = database.total_changes
    lines = [(key, compact_json(record)) for key, record in records.items()]
    database.executemany(
        "INSERT OR IGNORE INTO answers VALUES (?, ?, ?)",
        [(key, record, checksum(key, record)) for key, record in lines],
    )
    return database.total_changes - before


def checksum(key: str, record: str) -> str:
    """SHA-256 over key and record, in hexadecimal."""
    return hashlib.sha256(f"{key}\n{record}".encode()).hexdigest()
