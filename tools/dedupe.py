"""`still dedupe`: which groups other thresholds would make, without building anything."""

from __future__ import annotations

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from stages.dedupe.groups import represent
from stages.dedupe.params import DedupeParams
from stages.dedupe.rows import kept_rows
from stages.shared.embeddings import embed
from stages.shared.errors import UserError
from stages.shared.files import Row
from stages.shared.similarity import Pair, near_pairs

# Pairs that another threshold adds or spares are shown up to so many.
SHOWN = 15


def show_thresholds(task: str, meaning: float | None, text: float | None) -> None:
    """Print groups and removed rows at the thresholds of params.yaml and at the given ones, then the pairs
    that only one of them joins.

    Embeddings come from the cache, so nothing is encoded again. Raises UserError for a threshold outside 0 to
    1, and where validate has not run.
    """
    params = DedupeParams.load(task)
    chosen = (params.meaning if meaning is None else meaning, params.text if text is None else text)
    for name, value in zip(("--meaning", "--text"), chosen, strict=True):
        if not 0 <= value <= 1:
            raise UserError(f"{name} {value}: must be between 0 and 1")
    rows = kept_rows(task)
    texts = [row["input"] for row in rows]
    loosest = min(params.meaning, chosen[0]), min(params.text, chosen[1])
    near = near_pairs(embed(texts, params.encoder), texts, *loosest)
    now, then = (
        [pair for pair in near if pair.meaning >= meaning and pair.text >= text]
        for meaning, text in ((params.meaning, params.text), chosen)
    )

    table = Table("", "meaning", "text", "pairs", "groups", "largest", "removed", box=SIMPLE_HEAD)
    for name, thresholds, pairs in (
        ("params.yaml", (params.meaning, params.text), now),
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
            console.print(_told(sign, pair, rows), highlight=False, markup=False)
        if len(pairs) > SHOWN:
            console.print(f"{sign} and {len(pairs) - SHOWN} more", highlight=False)


def _without(pairs: list[Pair], others: list[Pair]) -> list[Pair]:
    known = {(pair.left, pair.right) for pair in others}
    return [pair for pair in pairs if (pair.left, pair.right) not in known]


def _told(sign: str, pair: Pair, rows: list[Row]) -> str:
    left, right = rows[pair.left], rows[pair.right]
    return (
        f"{sign} meaning {pair.meaning:.3f}, text {pair.text:.3f}: {left['id']} {left['input'][:60]!r} | "
        f"{right['id']} {right['input'][:60]!r}"
    )
