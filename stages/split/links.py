"""Links between rows that must stay together: rows that share an account, a thread, a document, a translation
group or a text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from promptstill.console.errors import UserError
from promptstill.near.components import connected
from promptstill.near.pairs import Pair
from promptstill.rows.origin import KINDS, age, origin_keys
from promptstill.rows.row import DedupedRow

NEAR = "near"
TEXT = "text"
REMEDIES = {
    NEAR: "raise split.link.meaning and split.link.text",
    TEXT: "raise split.link.text_alone and split.link.contained",
}
# By kind: positions of two rows, the earlier one first.
Links = dict[str, list[tuple[int, int]]]


def links_of(rows: Sequence[DedupedRow], near: list[Pair], alike: Iterable[tuple[int, int]] = ()) -> Links:
    """By kind, a link from each row to the earliest row that shares a key with it, one for each near pair,
    and one for each pair of rows whose texts are alike whatever their cosine."""
    links: Links = {kind: [] for kind in (*KINDS, NEAR, TEXT)}
    holder: dict[tuple[str, str], int] = {}
    for i in sorted(range(len(rows)), key=lambda i: age(rows[i])):
        for key in sorted(origin_keys(rows[i])):
            first = holder.setdefault(key, i)
            if first != i:
                links[key[0]].append((first, i))
    for kind, pairs in ((NEAR, [(pair.left, pair.right) for pair in near]), (TEXT, alike)):
        for left, right in pairs:
            ends = sorted((left, right), key=lambda i: age(rows[i]))
            links[kind].append((ends[0], ends[1]))
    return links


def components(count: int, links: Links, without: str = "") -> list[list[int]]:
    """Positions of the rows that links connect, directly or through other rows, disregarding the links of
    kind `without`."""
    return connected(count, [link for kind, pairs in links.items() if kind != without for link in pairs])


def check_giant(count: int, links: Links, most: float, task: str) -> None:
    """Raise UserError if one component has more than the share `most` of all rows: no split of it can have
    the requested shares. The error names the kind of link that connects it."""
    giant = max(components(count, links), key=len)
    if len(giant) <= most * count:
        return
    left = without_each(count, links)
    kind = min(left, key=lambda kind: left[kind])
    shop = f"if strangers share a value of `{kind}`, such as a shop's, set it to null in the traffic"
    raise UserError(
        f"params.yaml: {task}.split.largest_component: one component holds {len(giant)} of {count} rows, "
        f"more than {100 * most:g}%; without links by {kind} the largest would hold {left[kind]}; "
        f"{REMEDIES.get(kind, shop)}"
    )


def without_each(count: int, links: Links) -> dict[str, int]:
    """For each kind of link that exists, the rows of the largest component without the links of that kind."""
    return {
        kind: max(map(len, components(count, links, without=kind))) for kind, pairs in links.items() if pairs
    }
