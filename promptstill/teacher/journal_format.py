"""The tables of the journal, and the way from older formats to today's."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from pathlib import Path
from typing import Any

VERSION = 3
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
CREATE TABLE IF NOT EXISTS corrections (
    at TEXT NOT NULL, who TEXT NOT NULL, task TEXT NOT NULL, scope TEXT NOT NULL, before INTEGER NOT NULL,
    after INTEGER NOT NULL, why TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS batches (
    token TEXT PRIMARY KEY, base_url TEXT NOT NULL, api_key_env TEXT, task TEXT, scope TEXT NOT NULL,
    prompt_hash TEXT, structured INTEGER, held INTEGER NOT NULL, file_id TEXT, batch_id TEXT
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS batch_requests (
    token TEXT NOT NULL, key TEXT NOT NULL, row_id TEXT NOT NULL, sample INTEGER NOT NULL, kind TEXT NOT NULL,
    body TEXT NOT NULL, PRIMARY KEY (token, key)
);
CREATE INDEX IF NOT EXISTS batch_requests_by_key ON batch_requests (key);
"""


def upgrade(database: sqlite3.Connection, path: Path) -> None:
    """Make the tables, inside a transaction, from nothing or from an older format.

    Records of the first format, which had no checksums, get them. Batches of the second format had their
    bodies in files beside the journal.
    """
    answers = _older(database, "answers", "record", without="sha256")
    batches = _older(database, "batches", "keys")
    for statement in TABLES.split(";\n"):
        database.execute(statement)
    lines = [(key, record, checksum(key, record)) for key, record in answers]
    database.executemany("INSERT OR IGNORE INTO answers VALUES (?, ?, ?)", lines)
    for batch in batches:
        _upgrade_batch(database, path.parent / "batches", *batch)
    database.execute(f"PRAGMA user_version = {VERSION}")


def _older(database: sqlite3.Connection, table: str, column: str, without: str = "") -> list[tuple[Any, ...]]:
    """The lines of a table of an older format, which is removed; no lines if it is not there or not older."""
    columns = [line[1] for line in database.execute(f"PRAGMA table_info({table})")]
    if column not in columns or without in columns:
        return []
    lines = list(database.execute(f"SELECT * FROM {table}"))
    database.execute(f"DROP TABLE {table}")
    return lines


def _upgrade_batch(
    database: sqlite3.Connection, folder: Path, token: str, base_url: str, keys: str, scope: str, held: int,
    file_id: str | None, batch_id: str | None,
) -> None:  # fmt: skip
    """Move an open batch into the new tables. Without its file it cannot be finished, so what is held for it
    counts as spent."""
    file = folder / f"promptstill-{token}.jsonl"
    (task,) = database.execute("SELECT max(task) FROM ledger WHERE scope = ?", (scope,)).fetchone()
    if not file.exists():
        database.execute(
            "INSERT INTO ledger VALUES (?, ?, ?, 1, 1) ON CONFLICT (scope) DO UPDATE SET "
            "spent = spent + excluded.spent, calls = calls + 1, failed = failed + 1",
            (scope, task or "unknown", held),
        )
        return
    database.execute(
        "INSERT INTO batches VALUES (?, ?, NULL, ?, ?, NULL, NULL, ?, ?, ?)",
        (token, base_url, task, scope, held, file_id, batch_id),
    )
    requests = json.loads(keys)
    # Texts may hold other ends of lines, such as U+2028, which JSON does not escape.
    for line in file.read_text(encoding="utf-8").rstrip("\n").split("\n"):
        sent = json.loads(line)
        row_id, sample, kind = requests[sent["custom_id"]]
        values = (
            token,
            sent["custom_id"],
            row_id,
            sample,
            kind,
            json.dumps(sent["body"], ensure_ascii=False),
        )
        database.execute("INSERT OR IGNORE INTO batch_requests VALUES (?, ?, ?, ?, ?, ?)", values)


def checksum(key: str, record: str) -> str:
    """SHA-256 over key and record, in hexadecimal."""
    return hashlib.sha256(f"{key}\n{record}".encode()).hexdigest()
