"""Keys that link a row to other rows, which must stay in the same split."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from promptstill.rows.row import DedupedRow, Origin, TrafficRow

# Rows with the same value of one of these belong together: texts by one author, of one conversation, from one
# document, or translations of each other.
Kind = Literal["account", "thread", "document", "translation_group"]
KINDS: tuple[Kind, ...] = ("account", "thread", "document", "translation_group")


def origin(row: TrafficRow) -> Origin:
    """What a row that represents this one keeps of it."""
    return {
        "id": row["id"],
        "source": row["source"],
        "account": row["account"],
        "thread": row["thread"],
        "document": row["document"],
        "translation_group": row["translation_group"],
        "timestamp": row["timestamp"],
    }


def origin_keys(row: DedupedRow) -> set[tuple[str, str]]:
    """`(kind, value)` of everything that links a row to others: its own origin, and the origins of its exact
    repeats and of the near-duplicates that it represents."""
    origins = [origin(row), *row["repeats"], *row["linked"]]
    return {(kind, value) for source in origins for kind in KINDS if (value := source[kind]) is not None}


def moment(timestamp: str) -> datetime:
    """The time that a row's timestamp names. As texts, `00:00:00.5Z` would come before `00:00:00Z`."""
    return datetime.fromisoformat(timestamp)


def age(row: TrafficRow) -> tuple[datetime, str]:
    """Sort key: the earliest row first."""
    return moment(row["timestamp"]), row["id"]
