"""Exact repeats: rows whose texts are the same become one row that remembers the others."""

from __future__ import annotations

from stages.shared.files import Row
from stages.shared.text import input_hash

REMEMBERED = ("id", "source", "account", "thread", "timestamp")


def fold_repeats(rows: list[Row]) -> list[Row]:
    """Keep the earliest row of each text, in order of time and id; `repeats` lists the others.

    The split needs the accounts and threads of the repeats: the same text links them.
    """
    kept: dict[str, Row] = {}
    for row in sorted(rows, key=lambda row: (row["timestamp"], row["id"])):
        first = kept.setdefault(input_hash(row["input"]), row | {"repeats": []})
        if first["id"] != row["id"]:
            first["repeats"].append({name: row[name] for name in REMEMBERED})
            first["tags"] = sorted({*first["tags"], *row["tags"]})
    return list(kept.values())
