"""Looking up many keys of a SQLite table at once."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

KEYS_A_QUERY = 500


def with_keys(
    database: sqlite3.Connection, query: str, keys: Iterable[str | bytes]
) -> Iterator[tuple[Any, ...]]:
    """The lines of a query whose `key` is among `keys`, which may be more than one statement accepts."""
    source = iter(keys)
    while part := list(islice(source, KEYS_A_QUERY)):
        marks = ",".join("?" * len(part))
        # A list, because a cursor would be closed with this generator, which may outlive the database.
        yield from database.execute(f"{query} WHERE key IN ({marks})", part).fetchall()
