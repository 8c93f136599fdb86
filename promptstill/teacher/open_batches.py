"""Open batches in the journal: what was sent, by key, until its results are taken.

The bodies that are sent are part of the journal, so the file of a batch can be made at any time, and a batch
is found by any key that it holds, whatever settings it was sent under.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from promptstill.core.files import compact_json
from promptstill.core.lock import locked
from promptstill.teacher.budget import Charge, Ledger
from promptstill.teacher.journal import Journal
from promptstill.teacher.questions import Request

COLUMNS = "token, base_url, api_key_env, task, scope, prompt_hash, structured, held, file_id, batch_id"


@dataclass(frozen=True)
class OpenBatch:
    """A batch that was planned: `held` pico-USD of version `scope` are reserved for it.

    `file_id` and `batch_id` are None until the server gave them; without a `file_id`, nothing was started.
    `api_key_env`, `task`, `prompt_hash` and `structured` are those of the run that sent it; None in batches
    of older journals.
    """

    token: str
    base_url: str
    api_key_env: str | None
    task: str | None
    scope: str
    prompt_hash: str | None
    structured: bool | None
    held: int
    file_id: str | None = None
    batch_id: str | None = None

    @property
    def filename(self) -> str:
        """The name under which the server has the file."""
        return f"promptstill-{self.token}.jsonl"


class OpenBatches:
    """The open batches of a journal."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    @property
    def folder(self) -> Path:
        """Where the locks of batches are."""
        return self._journal.path.parent / "locks"

    def plan(
        self, database: sqlite3.Connection, batch: OpenBatch, bodies: Iterable[tuple[Request, dict[str, Any]]]
    ) -> None:
        """Write a batch and the bodies that will be sent, inside a transaction."""
        values = tuple(batch.__dict__.values())
        database.execute(f"INSERT INTO batches ({COLUMNS}) VALUES ({','.join('?' * len(values))})", values)
        database.executemany(
            "INSERT INTO batch_requests VALUES (?, ?, ?, ?, ?, ?)",
            (
                (batch.token, request.key, request.row_id, request.sample, request.kind, compact_json(body))
                for request, body in bodies
            ),
        )

    def all(self) -> list[OpenBatch]:
        """Every open batch, in order of tokens."""
        lines = self._journal.read(f"SELECT {COLUMNS} FROM batches ORDER BY token")
        return [OpenBatch(*line) for line in lines]

    def get(self, token: str) -> OpenBatch | None:
        """An open batch; None if its results were taken or it was dropped."""
        return next((batch for batch in self.all() if batch.token == token), None)

    def holding(self, keys: Iterable[str]) -> dict[str, str]:
        """The token of the open batch that has a key, for those keys that are in a batch."""
        return dict(self._journal.read_keys("SELECT key, token FROM batch_requests", keys))

    def requests(self, token: str) -> dict[str, Request]:
        """What a batch asks, by key, with the bodies that were sent."""
        query = "SELECT row_id, sample, key, body, kind FROM batch_requests WHERE token = ? ORDER BY rowid"
        return {
            key: Request(row_id, sample, key, json.loads(body), kind)
            for row_id, sample, key, body, kind in self._journal.read(query, token)
        }

    def count(self, token: str) -> int:
        """The number of requests of a batch."""
        ((count,),) = self._journal.read("SELECT count(*) FROM batch_requests WHERE token = ?", token)
        return int(count)

    def update(self, token: str, column: Literal["file_id", "batch_id"], value: str) -> None:
        """Remember the id that the server gave to a file or a batch."""
        with self._journal.transaction() as database:
            database.execute(f"UPDATE batches SET {column} = ? WHERE token = ?", (value, token))

    @contextmanager
    def mine(self, token: str, wait: bool = True) -> Iterator[OpenBatch | None]:
        """A batch that no other process works on meanwhile; None if it is not open any more.

        Raises UserError without `wait` if another process works on it.
        """
        path = self.folder / f"batch-{token}.lock"
        with locked(path, f"batch {token}: process {{pid}} waits for its results", wait):
            batch = self.get(token)
            yield batch
            # Whoever waits for this lock finds that the batch is gone.
            if self.get(token) is None:
                path.unlink(missing_ok=True)


def close(database: sqlite3.Connection, token: str) -> None:
    """Forget a batch and what is held for it, inside a transaction."""
    database.execute("DELETE FROM batches WHERE token = ?", (token,))
    database.execute("DELETE FROM batch_requests WHERE token = ?", (token,))


def drop(journal: Journal, batch: OpenBatch) -> int:
    """Give a batch up; what is held for it counts as spent, because the server may have run it. Returns that
    amount: nothing if the batch was never started."""
    spent = batch.held if batch.file_id is not None else 0
    ledger = Ledger(batch.scope, batch.task or "unknown", None)
    with journal.transaction() as database:
        close(database, batch.token)
        if spent:
            ledger.settle(database, [Charge(0, spent, failed=True)])
    return spent
