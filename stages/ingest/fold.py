"""Exact repeats: rows with the same text become one row that keeps the origins of the others."""

from __future__ import annotations

from collections import defaultdict

from promptstill.rows.identity import input_hash
from promptstill.rows.origin import age, origin
from promptstill.rows.row import Origin, TrafficRow


def fold_repeats(rows: list[TrafficRow]) -> list[tuple[TrafficRow, list[Origin]]]:
    """The earliest row of each text, in order of time and id, with the origins of its repeats.

    The row gets the tags of its repeats. The split needs their origins, because the same text links them.
    """
    same_text: dict[str, list[TrafficRow]] = defaultdict(list)
    for row in sorted(rows, key=age):
        same_text[input_hash(row["input"])].append(row)
    return [
        (
            {**first, "tags": sorted({tag for row in (first, *repeats) for tag in row["tags"]})},
            [origin(row) for row in repeats],
        )
        for first, *repeats in same_text.values()
    ]
