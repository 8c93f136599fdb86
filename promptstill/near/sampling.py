"""Even samples, which are the same for the same number of rows."""

from __future__ import annotations


def evenly(count: int, most: int) -> range:
    """At most `most` of the positions 0 .. count - 1, evenly spread; all of them if there are no more."""
    return range(0, count, max(1, -(-count // most)))
