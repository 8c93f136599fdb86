"""SQLite files that several processes share, and looking up many keys of a table at once."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

KEYS_A_QUERY = 500
BUSY_SECONDS = 60.0


def open_shared(path: Path) -> sqlite3.Connection:
    """Open or create a database in WAL mode. Raises sqlite3.DatabaseError.

    SQLite waits for other processes' locks, except while two of them switch a new file to WAL: to prevent a
    deadlock one gets SQLITE_BUSY at once (https://sqlite.org/c3ref/busy_handler.html), and tries again here.
    """
    database = sqlite3.connect(path, timeout=BUSY_SECONDS)
    until = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            database.execute("PRAGMA journal_mode = WAL")
            return database
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                database.close()
                raise
            time.sleep(0.01)


def with_keys(
    database: sqlite3.Connection, query: str, keys: Iterable[str | bytes]
) -> Iterator[tuple[Any, ...]]:
    """The lines of a query whose `key` is among `keys`, which may be more than one statement accepts."""
    source = iter(keys)
    while part := list(islice(source, KEYS_A_QUERY)):
        marks = ",".join("?" * len(part))
        # A list, because a cursor would be closed with this generator, which may outlive the database.
        yield from database.execute(f"{query} WHERE key IN ({marks})", part).fetchall()
