"""Replies that are known: those of `data/recorded/<task>.jsonl` first, then those of the journal."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import Self, cast

from promptstill.console.errors import UserError, check_each
from promptstill.core.files import JsonObject, read_lines
from promptstill.core.sqlite import with_keys
from promptstill.teacher.journal import Journal
from promptstill.teacher.record import Record

REQUIRED = ("key", "response", "model", "recorded_at")
# The fields of a journal's record that a recorded line keeps, in this order.
FIELDS = (
    "kind", "id", "sample", "response", "finish_reason", "model", "recorded_at", "prompt_hash",
    "prompt_tokens", "completion_tokens", "logprobs", "structured", "left_out",
)  # fmt: skip


def recorded_lines(path: Path) -> Iterator[tuple[str, Record]]:
    """Keys and records of a file; a file that does not exist has none. Raises UserError naming the lines that
    lack a required field."""
    if not path.exists():
        return

    def check(number: int, line: JsonObject) -> None:
        lacking = _lacking(line)
        if lacking:
            raise UserError(
                f"{path}:{number}: `{lacking}` is missing or not a string; restore the file from Git"
            )

    numbered = read_lines(path)
    for number, line in numbered:
        if _lacking(line):
            # The error names the mistakes of the following lines too.
            check_each(chain([(number, line)], numbered), check)
        yield line["key"], cast(Record, {name: value for name, value in line.items() if name != "key"})


def _lacking(line: JsonObject) -> str | None:
    """The first required field that is missing or not a string."""
    return next((name for name in REQUIRED if not isinstance(line.get(name), str)), None)


class KnownReplies:
    """Replies by the key of their request. Use it as a context manager.

    The file is indexed in a temporary database on disk, so memory does not grow with it. The journal is
    opened when the file lacks a reply for the first time.
    """

    def __init__(self, recorded: Path, journal: Path) -> None:
        self._journal_file = journal
        self._journal: Journal | None = None
        self.from_recorded = self.from_journal = 0
        # An empty name makes a private database in a temporary file, which SQLite removes.
        self._recorded = sqlite3.connect("")
        self._recorded.execute("CREATE TABLE answers (key TEXT PRIMARY KEY, record TEXT) WITHOUT ROWID")
        self._recorded.executemany(
            "INSERT OR IGNORE INTO answers VALUES (?, ?)",
            ((key, json.dumps(record, ensure_ascii=False)) for key, record in recorded_lines(recorded)),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._recorded.close()
        if self._journal is not None:
            self._journal.__exit__(kind, error, traceback)

    @property
    def journal(self) -> Journal:
        """The journal, opened when it is first needed."""
        if self._journal is None:
            self._journal = Journal(self._journal_file)
        return self._journal

    def is_recorded(self, key: str) -> bool:
        """Whether the file has the record of a key."""
        query = "SELECT 1 FROM answers WHERE key = ?"
        return self._recorded.execute(query, (key,)).fetchone() is not None

    def recorded(self) -> Iterator[tuple[str, Record]]:
        """The file's records with their keys, in order of keys; of a repeated key, the first record."""
        for key, record in self._recorded.execute("SELECT key, record FROM answers ORDER BY key"):
            yield key, json.loads(record)

    def get(self, keys: Iterable[str]) -> dict[str, Record]:
        """The records that exist, by key."""
        wanted = list(keys)
        lines = with_keys(self._recorded, "SELECT key, record FROM answers", wanted)
        records: dict[str, Record] = {key: json.loads(record) for key, record in lines}
        self.from_recorded += len(records)
        missing = [key for key in wanted if key not in records]
        if missing:
            journaled = self.journal.get(missing)
            self.from_journal += len(journaled)
            records |= journaled
        return records
