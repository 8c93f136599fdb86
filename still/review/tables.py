"""The tables of the index of a review queue, and what they are filled with."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict
from typing import cast

from promptstill.core.files import canonical_hash, compact_json
from promptstill.reviews.queue import QueueEntry
from stages.review.reasons import CHANCE
from stages.review.second import gets_second_look
from still.review.decisions import Place

SCHEMA = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE item (
  rank INTEGER PRIMARY KEY, hash TEXT NOT NULL UNIQUE, label TEXT NOT NULL, alike TEXT NOT NULL,
  decided_at TEXT NOT NULL, open INTEGER NOT NULL, second INTEGER NOT NULL, entry TEXT NOT NULL,
  input TEXT NOT NULL
);
CREATE INDEX item_open ON item (open, rank);
CREATE INDEX item_second ON item (second, open, rank);
CREATE INDEX item_label ON item (label, rank);
CREATE INDEX item_alike ON item (alike, open);
CREATE TABLE mark (kind TEXT, name TEXT, rank INTEGER, PRIMARY KEY (kind, name, rank)) WITHOUT ROWID;
CREATE VIRTUAL TABLE words USING fts5 (input, content='', tokenize='trigram');
CREATE TABLE decision (
  line INTEGER PRIMARY KEY, hash TEXT NOT NULL, reviewer TEXT NOT NULL, decision TEXT NOT NULL,
  blind INTEGER NOT NULL, at TEXT NOT NULL, body TEXT NOT NULL
);
CREATE INDEX decision_hash ON decision (hash, line);
CREATE INDEX decision_reviewer ON decision (reviewer, at);
CREATE TABLE lease (hash TEXT PRIMARY KEY, holder TEXT NOT NULL, until REAL NOT NULL);
"""


def fill(database: sqlite3.Connection, entries: Iterable[QueueEntry]) -> None:
    """Make the tables of an empty database and fill them with the entries of a queue."""
    database.executescript(SCHEMA)
    facets: dict[str, Counter[str]] = {"reason": Counter(), "slice": Counter(), "label": Counter()}
    for rank, entry in enumerate(entries):
        label = "" if entry["label"] is None else entry["label"]
        # Rows that are there by chance alone measure how good the labels are, so each is read.
        replies = sorted({reply["response"] for reply in entry["samples"]})
        alike = "" if entry["reasons"] == [CHANCE] else canonical_hash([entry["problem"], replies])
        database.execute(
            "INSERT INTO item VALUES (?, ?, ?, ?, ?, 1, ?, ?, ?)",
            [
                rank,
                entry["input_hash"],
                label,
                alike,
                entry.get("decided_at", ""),
                gets_second_look(entry["input_hash"]),
                compact_json(entry),
                entry["input"],
            ],
        )
        database.execute("INSERT INTO words (rowid, input) VALUES (?, ?)", [rank, entry["input"]])
        marks = [("reason", name) for name in entry["reasons"]] + [
            ("slice", name) for name in entry["slices"]
        ]
        for kind, name in marks:
            database.execute("INSERT OR IGNORE INTO mark VALUES (?, ?, ?)", [kind, name, rank])
            facets[kind][name] += 1
        facets["label"][label] += 1
    content = {kind: dict(sorted(counts.items())) for kind, counts in facets.items()}
    database.execute("INSERT INTO meta VALUES ('facets', ?)", [compact_json(content)])


def entry_of(text: str) -> QueueEntry:
    """The entry that the index has as text."""
    return cast(QueueEntry, json.loads(text))


def meta(database: sqlite3.Connection, name: str) -> str:
    """A value that the index has about itself."""
    (value,) = database.execute("SELECT value FROM meta WHERE name = ?", [name]).fetchone()
    return str(value)


def remember(database: sqlite3.Connection, place: Place) -> None:
    """Store how far the decisions were read."""
    database.execute("INSERT OR REPLACE INTO meta VALUES ('place', ?)", [compact_json(asdict(place))])
