"""Answers recorded earlier, read before the journal: `data/recorded/<task>.jsonl`."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from stages.generate.journal import Journal, Record
from stages.shared.errors import UserError
from stages.shared.files import read_lines
from stages.shared.lookup import with_keys

REQUIRED = ("key", "response", "model", "recorded_at")
# What a recorded line holds of a journal's record, in this order; how long a server took is left out.
FIELDS = (
    "kind", "id", "sample", "response", "finish_reason", "model", "recorded_at", "prompt_hash",
    "prompt_tokens", "completion_tokens", "logprobs", "structured",
)  # fmt: skip


def recorded_lines(path: Path) -> Iterator[tuple[str, Record]]:
    """Keys and records of a file; an absent file holds none. Raises UserError for a line without a required
    field."""
    if not path.exists():
        return
    for number, line in read_lines(path):
        for name in REQUIRED:
            if not isinstance(line.get(name), str):
                raise UserError(
                    f"{path}:{number}: `{name}` is missing or not a string; restore the file from Git"
                )
        yield line["key"], {name: value for name, value in line.items() if name != "key"}


class Answers:
    """Known answers: the recorded ones first, then the journal's.

    The file is indexed in a temporary database on disk, so that memory does not grow with it. The journal is
    opened when the first answer is missing from the file. Use as a context manager.
    """

    def __init__(self, recorded: Path, journal: Path) -> None:
        self._journal_file = journal
        self._journal: Journal | None = None
        self.from_recorded = self.from_journal = 0
        # An empty name is a private database in a temporary file that SQLite removes.
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
        """Whether the file holds the record of a key."""
        found = self._recorded.execute("SELECT 1 FROM answers WHERE key = ?", (key,)).fetchone()
        return found is not None

    def recorded(self) -> Iterator[tuple[str, Record]]:
        """The file's records with their keys, in order of keys; of a repeated key the first."""
        for key, record in self._recorded.execute("SELECT key, record FROM answers ORDER BY key"):
            yield key, json.loads(record)

    def get(self, keys: Iterable[str]) -> dict[str, Record]:
        """The records that exist, by key."""
        wanted = list(keys)
        lines = with_keys(self._recorded, "SELECT key, record FROM answers", wanted)
        found: dict[str, Record] = {key: json.loads(record) for key, record in lines}
        self.from_recorded += len(found)
        missing = [key for key in wanted if key not in found]
        if missing:
            kept = self.journal.get(missing)
            self.from_journal += len(kept)
            found |= kept
        return found
