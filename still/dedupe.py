"""`still dedupe`: what other thresholds would do, and which thresholds fit, without building anything."""

from __future__ import annotations

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from promptstill.answers.schema.form import AnswerForm
from promptstill.console.errors import UserError
from promptstill.core.paths import PARAMS
from promptstill.near.pairs import Pair
from promptstill.near.sampling import evenly
from promptstill.rows.row import KeptRow
from stages.dedupe.cited import differing
from stages.dedupe.compared import reaching, with_vectors
from stages.dedupe.conflicts import answer_conflicts
from stages.dedupe.groups import represent
from stages.dedupe.params import DedupeParams
from stages.dedupe.rows import kept_rows
from still.suggest import BELOW, MEANINGS, OVERLAPS, Candidate, around, best_of, candidates

# At most this many pairs that another threshold adds or removes, or on each side of a border, are shown.
SHOWN = 15
AROUND = 8
# Of more rows than this, `--suggest` compares an even sample.
ROWS = 5_000
# If more than this share of the rows that leave may be unrelated, labels do not decide.
HARDLY = 0.25


def show_thresholds(task: str, min_cosine: float | None, min_text_overlap: float | None) -> None:
    """Print groups and removed rows at the thresholds of params.yaml and at the given ones, then the pairs
    that only one of the two connects.

    Embeddings are cached, so nothing is encoded again. Raises UserError for a threshold outside 0 to 1, and
    if validate has not run.
    """
    params = DedupeParams.load(task)
    differ = differing(AnswerForm.load(task))
    current = (params.min_cosine, params.min_text_overlap)
    chosen = (
        params.min_cosine if min_cosine is None else min_cosine,
        params.min_text_overlap if min_text_overlap is None else min_text_overlap,
    )
    for name, value in zip(("--meaning", "--text"), chosen, strict=True):
        if not 0 <= value <= 1:
            raise UserError(f"{name} {value}: must be between 0 and 1")
    corpus = with_vectors(kept_rows(task), params, None)
    rows = corpus.rows
    widest = min(current[0], chosen[0]), min(current[1], chosen[1])
    near = corpus.pairs(*widest)
    now, then = (reaching(near, *thresholds) for thresholds in (current, chosen))

    columns = ("", "meaning", "text", "pairs", "with other answers", "groups", "largest", "removed")
    table = Table(*columns, box=SIMPLE_HEAD)
    for name, thresholds, pairs in (
        ("params.yaml", current, now),
        ("asked for", chosen, then),
    ):
        kept, removed = represent(rows, pairs, differ, params)
        sizes = [len(row["linked"]) + 1 for row in kept if row["linked"]]
        conflicts = len(answer_conflicts(rows, pairs, differ, params))
        counts = (*thresholds, len(pairs), conflicts, len(sizes), max(sizes, default=1), len(removed))
        table.add_row(name, *map(str, counts))
    console = Console()
    console.print(table)
    _print_pairs(console, "+", _without(then, now), rows, SHOWN)
    _print_pairs(console, "-", _without(now, then), rows, SHOWN)


def suggest_thresholds(task: str) -> None:
    """Print the thresholds that the labels of near rows speak for, the table behind them, and pairs on both
    sides of the border.

    Raises UserError if labels say nothing about rows: all rows have the same label, or answers are free text.
    """
    params = DedupeParams.load(task)
    rows = kept_rows(task)
    sample = [rows[i] for i in evenly(len(rows), ROWS)]
    labels = len({row["label"] for row in sample})
    if labels == 1 or params.across_labels:
        reason = "every row has the same label" if labels == 1 else "with across_labels, labels say nothing"
        raise UserError(
            f"{PARAMS}: {task}.dedupe: cannot propose thresholds, because {reason}; choose them by eye with "
            f"`still dedupe {task} --meaning M --text T`"
        )
    pairs = with_vectors(sample, params, None).pairs(MEANINGS[-1] - BELOW, OVERLAPS[-1] - BELOW)
    rates, tried = candidates(sample, pairs)
    best = best_of(tried)
    compared = f"{len(sample)} of {len(rows)} rows" if len(sample) < len(rows) else f"{len(rows)} rows"
    lines = [
        f"{compared} with {labels} labels compared. Labels differ in {100 * rates.duplicates:.1f}% of the "
        f"nearest pairs and in {100 * rates.unrelated:.1f}% of pairs that are just not near.",
        f"{PARAMS}: {task}.dedupe: meaning: {best.meaning:.2f}, text: {best.text:.2f}",
    ]
    if best.leave == 0:
        lines.append("No thresholds remove more duplicates than unrelated rows.")
    elif best.at_most > HARDLY * best.leave:
        lines.append("The labels of near rows hardly tell whether they are duplicates: judge by the pairs.")
    console = Console()
    console.print(_table(tried, best))
    for line in lines:
        console.print(line, highlight=False, markup=False)
    for name, sign, shown in zip(
        ("near", "not near"), "+-", around(pairs, best.meaning, best.text, AROUND), strict=True
    ):
        console.print(f"Pairs that are just {name} at these thresholds:", highlight=False)
        _print_pairs(console, sign, shown, sample, AROUND)


def _table(tried: Sequence[Candidate], proposed: Candidate) -> Table:
    """A line for each threshold of meaning, with the best threshold of text, and for the loosest of both."""
    columns = ("meaning", "text", "would leave", "with another label", "unrelated", "at most", "")
    table = Table(*columns, box=SIMPLE_HEAD)
    best = [best_of([c for c in tried if c.meaning == meaning]) for meaning in MEANINGS]
    for c in [*best, tried[-1]]:
        figures = (c.leave, c.differ, round(c.unrelated), round(c.at_most))
        name = "proposed" if c == proposed else ""
        table.add_row(f"{c.meaning:.2f}", f"{c.text:.2f}", *map(str, figures), name)
    return table


def _without(pairs: list[Pair], others: list[Pair]) -> list[Pair]:
    known = {(pair.left, pair.right) for pair in others}
    return [pair for pair in pairs if (pair.left, pair.right) not in known]


def _print_pairs(
    console: Console, sign: str, pairs: Sequence[Pair], rows: Sequence[KeptRow], most: int
) -> None:
    for pair in pairs[:most]:
        left, right = (
            f"{row['id']} {row['label'][:20]} {row['input'][:60]!r}"
            for row in (rows[pair.left], rows[pair.right])
        )
        line = f"{sign} meaning {pair.cosine:.3f}, text {pair.text_overlap:.3f}: {left} | {right}"
        console.print(line, highlight=False, markup=False)
    if len(pairs) > most:
        console.print(f"{sign} and {len(pairs) - most} more", highlight=False)
