"""The journal: every paid answer, by the key of its request, durable before anybody uses it.

A SQLite database in WAL mode outside the outs of the pipeline. Several processes may share it; the first
record of a key stays, so that recording is exactly-once where sending is at-least-once.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from stages.shared.errors import UserError

# A record: `response` (the reply's text), `finish_reason`, `model` (as the server names it), `recorded_at`
# (ISO 8601, UTC), and where the server tells them `prompt_tokens` and `completion_tokens`.
Record = dict[str, Any]

KEYS_PER_QUERY = 500


class Journal:
    """Answers by request key. Use as a context manager."""

    def __init__(self, path: Path) -> None:
        """Open or create the database. Raises UserError where the file is no journal or cannot be written."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        try:
            # Group commits run in worker threads, one at a time.
            self._database = sqlite3.connect(path, timeout=60, check_same_thread=False)
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = FULL")
            self._database.execute(
                "CREATE TABLE IF NOT EXISTS answers "
                "(key TEXT PRIMARY KEY, record TEXT NOT NULL) WITHOUT ROWID"
            )
        except sqlite3.DatabaseError as error:
            raise UserError(
                f"{path}: cannot open the journal ({error}); move the file away or repair it"
            ) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._database.close()

    def get(self, keys: Iterable[str]) -> dict[str, Record]:
        """The records that exist, by key."""
        wanted, found = list(keys), {}
        for start in range(0, len(wanted), KEYS_PER_QUERY):
            part = wanted[start : start + KEYS_PER_QUERY]
            marks = ",".join("?" * len(part))
            query = f"SELECT key, record FROM answers WHERE key IN ({marks})"
            found.update({key: json.loads(record) for key, record in self._database.execute(query, part)})
        return found

    def add(self, records: Mapping[str, Record]) -> None:
        """Write records in one transaction; when this returns they are on disk.

        Known keys keep their first record. Raises UserError where the database cannot be written.
        """
        lines = [(key, json.dumps(record, ensure_ascii=False)) for key, record in records.items()]
        try:
            with self._database:
                self._database.executemany("INSERT OR IGNORE INTO answers VALUES (?, ?)", lines)
        except sqlite3.DatabaseError as error:
            raise UserError(
                f"{self.path}: cannot write ({error}); check disk space and permissions"
            ) from None
