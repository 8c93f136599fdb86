"""Exact repeats: rows whose texts are the same become one row that remembers the others."""

from __future__ import annotations

from stages.shared.files import Row
from stages.shared.origin import origin
from stages.shared.text import input_hash


def fold_repeats(rows: list[Row]) -> list[Row]:
    """Keep the earliest row of each text, in order of time and id; `repeats` lists the others.

    The split needs the origins of the repeats: the same text links them.
    """
    kept: dict[str, Row] = {}
    for row in sorted(rows, key=lambda row: (row["timestamp"], row["id"])):
        first = kept.setdefault(input_hash(row["input"]), row | {"repeats": []})
        if first["id"] != row["id"]:
            first["repeats"].append(origin(row))
            first["tags"] = sorted({*first["tags"], *row["tags"]})
    return list(kept.values())
