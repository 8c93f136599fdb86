"""`still dedupe`: the groups that other thresholds would give, without building anything."""

from __future__ import annotations

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from promptstill.console.errors import UserError
from promptstill.near.pairs import Pair, near_pairs
from promptstill.near.vectors import embed
from promptstill.rows.row import KeptRow
from stages.dedupe.groups import represent
from stages.dedupe.params import DedupeParams
from stages.dedupe.rows import kept_rows

# At most this many pairs that another threshold adds or removes are shown.
SHOWN = 15


def show_thresholds(task: str, min_cosine: float | None, min_text_overlap: float | None) -> None:
    """Print groups and removed rows at the thresholds of params.yaml and at the given ones, then the pairs
    that only one of the two connects.

    Embeddings are cached, so nothing is encoded again. Raises UserError for a threshold outside 0 to 1, and
    if validate has not run.
    """
    params = DedupeParams.load(task)
    current = (params.min_cosine, params.min_text_overlap)
    chosen = (
        params.min_cosine if min_cosine is None else min_cosine,
        params.min_text_overlap if min_text_overlap is None else min_text_overlap,
    )
    for name, value in zip(("--meaning", "--text"), chosen, strict=True):
        if not 0 <= value <= 1:
            raise UserError(f"{name} {value}: must be between 0 and 1")
    rows = kept_rows(task)
    texts = [row["input"] for row in rows]
    loosest = min(current[0], chosen[0]), min(current[1], chosen[1])
    near = near_pairs(embed(texts, params.encoder), texts, *loosest)
    now, then = (
        [pair for pair in near if pair.cosine >= cosine and pair.text_overlap >= overlap]
        for cosine, overlap in (current, chosen)
    )

    table = Table("", "meaning", "text", "pairs", "groups", "largest", "removed", box=SIMPLE_HEAD)
    for name, thresholds, pairs in (
        ("params.yaml", current, now),
        ("asked for", chosen, then),
    ):
        kept, removed = represent(rows, pairs, params.slice_minimum)
        sizes = [len(row["linked"]) + 1 for row in kept if row["linked"]]
        counts = (*thresholds, len(pairs), len(sizes), max(sizes, default=1), len(removed))
        table.add_row(name, *map(str, counts))
    console = Console()
    console.print(table)
    for sign, pairs in (("+", _without(then, now)), ("-", _without(now, then))):
        for pair in pairs[:SHOWN]:
            console.print(_line(sign, pair, rows), highlight=False, markup=False)
        if len(pairs) > SHOWN:
            console.print(f"{sign} and {len(pairs) - SHOWN} more", highlight=False)


def _without(pairs: list[Pair], others: list[Pair]) -> list[Pair]:
    known = {(pair.left, pair.right) for pair in others}
    return [pair for pair in pairs if (pair.left, pair.right) not in known]


def _line(sign: str, pair: Pair, rows: list[KeptRow]) -> str:
    left, right = rows[pair.left], rows[pair.right]
    return (
        f"{sign} meaning {pair.cosine:.3f}, text {pair.text_overlap:.3f}: "
        f"{left['id']} {left['input'][:60]!r} | {right['id']} {right['input'][:60]!r}"
    )
