"""Where a row came from: what ties it to other rows, so that they must not stand on two sides of a split."""

from __future__ import annotations

from stages.shared.files import Row

# Rows with the same value of one of these belong together: texts by one author, of one conversation, from one
# document, or translations of each other.
KINDS = ("account", "thread", "document", "translation_group")
REMEMBERED = ("id", "source", *KINDS, "timestamp")


def origin(row: Row) -> Row:
    """What a row that stands for this one remembers of it."""
    return {name: row[name] for name in REMEMBERED}


def origin_keys(row: Row) -> set[tuple[str, str]]:
    """`(kind, value)` of everything that ties a row to others: its own origin, that of its exact repeats, and
    that of the near-duplicates which it stands for."""
    origins = [row, *row["repeats"], *row["linked"]]
    return {(kind, one[kind]) for one in origins for kind in KINDS if one[kind] is not None}
