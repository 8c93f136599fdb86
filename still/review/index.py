"""The index of a review queue: its entries in their order, what is open, and who looks at what.

It is a SQLite file that is made of the queue and the decisions, and can be removed while no page is open.
Only leases are in it alone: they keep two reviewers from the same row.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager

from promptstill.answers.spec import AnswerSpec
from promptstill.console.errors import UserError
from promptstill.core.append import append_rows, appending
from promptstill.core.files import canonical_hash, replacing
from promptstill.core.lock import locked
from promptstill.core.paths import cache_dir, reviews_file
from promptstill.core.sqlite import open_shared
from promptstill.reviews.decisions import Review, checked
from promptstill.reviews.queue import QueueEntry
from still.review.decisions import Place, line_of, read_from
from still.review.filters import Filters
from still.review.queue import queue_hash, queue_of
from still.review.reviewer import Reviewer
from still.review.tables import SCHEMA, entry_of, fill, meta, remember

# Seconds for which a row that a reviewer has opened is shown to nobody else.
LEASE = 600.0
FREE = "hash NOT IN (SELECT hash FROM lease WHERE holder != ? AND until > ?)"
# An entry with its rank.
Ranked = tuple[int, QueueEntry]


class Changed(Exception):
    """Somebody has decided a row since it was shown."""

    def __init__(self, digest: str, by: str) -> None:
        super().__init__(digest)
        self.digest, self.by = digest, by


class ReviewIndex:
    """What the page asks for. Every thread has a connection of its own."""

    def __init__(self, task: str, spec: AnswerSpec) -> None:
        """Make the index of today's queue, unless it is there. Raises UserError if there is no queue."""
        self.task, self.spec = task, spec
        self.reviews = reviews_file(task)
        # Threads of one page wait here. The lock of the file, which says who is waited for, is for others.
        self._lock = threading.Lock()
        # Named by its content: a server of an older queue keeps its own file, and so do other checkouts.
        version = canonical_hash([queue_hash(task), SCHEMA, spec.hash, str(self.reviews.resolve())])[:16]
        self._file = cache_dir() / "review" / f"{task}-{version}.sqlite"
        self._connections = threading.local()
        with locked(self._file.with_suffix(".lock"), f"{self._file}: process {{pid}} makes the index"):
            if not self._file.exists():
                with (
                    replacing(self._file) as partial,
                    closing(sqlite3.connect(partial)) as database,
                    database,
                ):
                    fill(database, queue_of(task, spec))
                    remember(database, Place())

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """The database with all decisions of today's file."""
        if not hasattr(self._connections, "database"):
            self._connections.database = open_shared(self._file)
            # All of it can be made again, so it need not outlive a loss of power.
            self._connections.database.execute("PRAGMA synchronous = OFF")
        database: sqlite3.Connection = self._connections.database
        self._catch_up(database)
        yield database

    def take(
        self, filters: Filters, reviewer: Reviewer, after: int = -1, back: bool = False
    ) -> Ranked | None:
        """The next row after a rank that fits and that nobody else looks at, from the beginning again after
        the last one; with `back`, the one before, decided or not. The reviewer holds it for a while."""
        where, values = filters.where(everything=back)
        with self.reading() as database:
            if back:
                return self._taken(database, f"{where} AND rank < ?", [*values, after], reviewer, "DESC")
            return self._taken(database, f"{where} AND rank > ?", [*values, after], reviewer) or self._taken(
                database, where, values, reviewer
            )

    def second_look(self, reviewer: Reviewer, after: int = -1) -> Ranked | None:
        """The next row that somebody else has decided and nobody a second time, among those that
        another person decides too."""
        where = (
            "second = 1 AND open = 0 AND rank > ? AND NOT EXISTS "
            "(SELECT 1 FROM decision WHERE decision.hash = item.hash AND (blind OR reviewer = ?))"
        )
        with self.reading() as database:
            return self._taken(database, where, [after, reviewer.name], reviewer)

    def entry(self, digest: str) -> Ranked | None:
        """One row with its rank; None if it is not in the queue."""
        with self.reading() as database:
            row = database.execute("SELECT rank, entry FROM item WHERE hash = ?", [digest]).fetchone()
        return None if row is None else (row[0], entry_of(row[1]))

    def entry_at(self, rank: int) -> Ranked | None:
        """The row at a rank; None if there is none."""
        with self.reading() as database:
            row = database.execute("SELECT rank, entry FROM item WHERE rank = ?", [rank]).fetchone()
        return None if row is None else (row[0], entry_of(row[1]))

    def hold(self, digest: str, reviewer: Reviewer) -> None:
        """Keep a row from others for a while, unless somebody has it."""
        with self.reading() as database:
            self._taken(database, "hash = ?", [digest], reviewer)

    def history(self, digest: str) -> list[tuple[int, Review]]:
        """All decisions about a text, the oldest first, counted from 1."""
        with self.reading() as database:
            rows = database.execute(
                "SELECT body FROM decision WHERE hash = ? ORDER BY line", [digest]
            ).fetchall()
        return [(turn, Review.model_validate_json(body)) for turn, (body,) in enumerate(rows, start=1)]

    def in_force(self, digest: str) -> tuple[int, Review | None]:
        """The turn of the last decision about a text or of its withdrawal, 0 for none, and the decision in
        force."""
        return in_force_of(self.history(digest))

    def decide(
        self, reviews: Sequence[Review], seen: Mapping[str, int], reviewer: Reviewer
    ) -> dict[str, int]:
        """Append decisions about different texts, all or none, and flush them to disk; their turns.

        `seen` has the turn of the last decision about each text that the reviewer saw, 0 for none. Raises
        Changed if there is a later one, so that nobody overrules somebody without knowing, and UserError for
        an answer that is none today.
        """
        for review in reviews:
            checked(line_of(review), self.spec, f"the decision about {review.id}")
        with self._lock, appending(self.reviews), self.reading() as database:
            turns = {}
            for review in reviews:
                query = "SELECT reviewer, blind FROM decision WHERE hash = ? ORDER BY line"
                earlier = database.execute(query, [review.input_hash]).fetchall()
                # A row has one blind line at most, whatever was seen.
                for by, blind in earlier[0 if review.blind else seen.get(review.input_hash, 0) :]:
                    if bool(blind) is review.blind:
                        raise Changed(review.input_hash, by)
                turns[review.input_hash] = len(earlier) + 1
            append_rows(self.reviews, [line_of(review) for review in reviews])
            self._catch_up(database)
            with database:
                database.execute("DELETE FROM lease WHERE holder = ?", [reviewer.holder])
        return turns

    def _taken(
        self,
        database: sqlite3.Connection,
        where: str,
        values: Sequence[object],
        reviewer: Reviewer,
        order: str = "ASC",
    ) -> Ranked | None:
        """The first row that fits and that nobody else holds, for a reviewer, who holds one at a time. It is
        looked at again in the transaction of the lease: in between, somebody else could take it, and even
        decide it."""
        query = f"SELECT rank, hash, entry FROM item WHERE {where} AND {FREE}"
        values = [*values, reviewer.holder, time.time()]
        while True:
            row = database.execute(f"{query} ORDER BY rank {order} LIMIT 1", values).fetchone()
            if row is None:
                return None
            with database:
                database.execute("BEGIN IMMEDIATE")
                if database.execute(f"{query} AND rank = ?", [*values, row[0]]).fetchone() is not None:
                    database.execute("DELETE FROM lease WHERE holder = ?", [reviewer.holder])
                    lease = [row[1], reviewer.holder, time.time() + LEASE]
                    database.execute("INSERT OR REPLACE INTO lease VALUES (?, ?, ?)", lease)
                    return row[0], entry_of(row[2])

    def _catch_up(self, database: sqlite3.Connection) -> None:
        """Take in the decisions that were appended since the last call, by this page or by anything else."""
        if Place(**json.loads(meta(database, "place"))).is_of(self.reviews):
            return
        with database:
            database.execute("BEGIN IMMEDIATE")
            new = read_from(self.reviews, self.spec, Place(**json.loads(meta(database, "place"))))
            if new is None:
                database.execute("DELETE FROM decision")
                database.execute("UPDATE item SET open = 1")
                new = read_from(self.reviews, self.spec, Place())
            if new is None:
                raise UserError(f"{self.reviews}: changes while it is read; try again")
            decisions, place = new
            for line, review in decisions:
                database.execute(
                    "INSERT INTO decision VALUES (?, ?, ?, ?, ?, ?, ?)",
                    [
                        line,
                        review.input_hash,
                        review.reviewer,
                        review.decision,
                        review.blind,
                        review.at,
                        review.model_dump_json(),
                    ],
                )
                if not review.blind:
                    database.execute(
                        "UPDATE item SET open = (? = 'withdraw' OR decided_at = ?) WHERE hash = ?",
                        [review.decision, review.at, review.input_hash],
                    )
            remember(database, place)


def in_force_of(history: Sequence[tuple[int, Review]]) -> tuple[int, Review | None]:
    """The turn of the last decision of a history or of its withdrawal, 0 for none, and the decision in
    force."""
    decided = [(turn, review) for turn, review in history if not review.blind]
    turn, review = decided[-1] if decided else (0, None)
    return turn, None if review is None or review.decision == "withdraw" else review
