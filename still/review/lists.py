"""Counts and lists from the index: what a page shows beside the row."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from promptstill.reviews.decisions import Review
from promptstill.reviews.queue import QueueEntry
from stages.review.second import Looks, looks
from still.review.filters import Filters
from still.review.index import ReviewIndex
from still.review.tables import entry_of, meta

# SQLite's limit for none.
EVERY_ROW = -1


def alike(index: ReviewIndex, digest: str) -> int:
    """How many other open rows have the problem and the replies of a row."""
    with index.reading() as database:
        (of_row, is_open) = database.execute(
            "SELECT alike, open FROM item WHERE hash = ?", [digest]
        ).fetchone()
        if not of_row:
            return 0
        query = "SELECT count(*) FROM item WHERE alike = ? AND open = 1"
        (count,) = database.execute(query, [of_row]).fetchone()
    return int(count) - int(is_open)


def listed(index: ReviewIndex, filters: Filters, most: int, like: str = "") -> tuple[list[QueueEntry], int]:
    """The first rows that fit, and how many fit. `like` is the hash of a row that all of them are alike."""
    where, values = filters.where()
    if like:
        where += " AND (hash = ? OR alike != '' AND alike = (SELECT alike FROM item WHERE hash = ?))"
        values = [*values, like, like]
    with index.reading() as database:
        (count,) = database.execute(f"SELECT count(*) FROM item WHERE {where}", values).fetchone()
        rows = database.execute(
            f"SELECT entry FROM item WHERE {where} ORDER BY rank LIMIT ?", [*values, most]
        ).fetchall()
    return [entry_of(entry) for (entry,) in rows], int(count)


def second_looks(index: ReviewIndex) -> list[Looks]:
    """The decisions about each text that has a second look."""
    with index.reading() as database:
        rows = database.execute(
            "SELECT body FROM decision WHERE hash IN (SELECT hash FROM decision WHERE blind) ORDER BY line"
        ).fetchall()
    return [of for of in looks(Review.model_validate_json(body) for (body,) in rows).values() if of.pair]


def facets(index: ReviewIndex) -> dict[str, dict[str, int]]:
    """Rows of the queue by reason, slice and label, and decisions by reviewer."""
    with index.reading() as database:
        counts: dict[str, dict[str, int]] = json.loads(meta(database, "facets"))
        counts["reviewer"] = dict(
            database.execute(
                "SELECT reviewer, count(*) FROM decision GROUP BY reviewer ORDER BY reviewer"
            ).fetchall()
        )
    return counts


def progress(index: ReviewIndex, name: str) -> dict[str, int]:
    """Rows of the queue, those that are open, and the decisions of a reviewer in the last hour."""
    hour = datetime.now(UTC) - timedelta(hours=1)
    with index.reading() as database:
        (rows,) = database.execute("SELECT max(rank) + 1 FROM item").fetchone()
        (left,) = database.execute("SELECT count(*) FROM item WHERE open = 1").fetchone()
        (pace,) = database.execute(
            "SELECT count(*) FROM decision WHERE reviewer = ? AND at > ? AND decision != 'withdraw'",
            [name, hour.isoformat(timespec="milliseconds").replace("+00:00", "Z")],
        ).fetchone()
    return {"rows": rows or 0, "open": left, "hour": pace}
