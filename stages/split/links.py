"""Rows that must stay together: links between all that share an account, a thread, a document, a translation
group or a text."""

from __future__ import annotations

from stages.shared.errors import UserError
from stages.shared.files import Row
from stages.shared.graph import connected
from stages.shared.origin import KINDS, origin_keys
from stages.shared.similarity import Pair

NEAR = "near"
# By kind: positions of two rows, the earlier one first.
Links = dict[str, list[tuple[int, int]]]


def age(row: Row) -> tuple[str, str]:
    """Sort key: the earliest row first."""
    return row["timestamp"], row["id"]


def links_of(rows: list[Row], near: list[Pair]) -> Links:
    """By kind, a link from each row to the earliest that shares a key with it, and one for each near pair."""
    links: Links = {kind: [] for kind in (*KINDS, NEAR)}
    holder: dict[tuple[str, str], int] = {}
    for i in sorted(range(len(rows)), key=lambda i: age(rows[i])):
        for key in sorted(origin_keys(rows[i])):
            first = holder.setdefault(key, i)
            if first != i:
                links[key[0]].append((first, i))
    for pair in near:
        ends = sorted((pair.left, pair.right), key=lambda i: age(rows[i]))
        links[NEAR].append((ends[0], ends[1]))
    return links


def components(count: int, links: Links, without: str = "") -> list[list[int]]:
    """Positions of the rows that links connect, directly or through others; those of the kind `without` do
    not count."""
    return connected(count, [link for kind, some in links.items() if kind != without for link in some])


def check_giant(rows: list[Row], links: Links, most: float, task: str) -> None:
    """Raise UserError where one component holds more than the share `most` of all rows: no split of it can
    have the shares that were asked for. The error names the kind of link that holds it together."""
    giant = max(components(len(rows), links), key=len)
    if len(giant) <= most * len(rows):
        return
    left = without_each(len(rows), links)
    kind = min(left, key=lambda kind: left[kind])
    remedy = (
        "raise split.link"
        if kind == NEAR
        else f"where strangers share a value of `{kind}`, such as a shop's, set it to null in the traffic"
    )
    raise UserError(
        f"params.yaml: {task}.split.largest_component: one component holds {len(giant)} of {len(rows)} rows, "
        f"more than {100 * most:g}%; without links by {kind} the largest would hold {left[kind]}; {remedy}"
    )


def without_each(count: int, links: Links) -> dict[str, int]:
    """Rows of the largest component if the links of one kind did not count, for each kind that there is."""
    return {
        kind: max(map(len, components(count, links, without=kind))) for kind, some in links.items() if some
    }
