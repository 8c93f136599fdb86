"""`still dedupe --suggest`: thresholds that the labels of near rows speak for.

Rows near each other are duplicates, whose labels differ only by mistake, or rows about something else. How
often the labels of both kinds differ is estimated: from the nearest pairs, and from pairs that are just not
near enough for any thresholds. The rows that would leave are a mixture of both, and the share of different
labels among them gives the share of each kind.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from scipy.stats import beta

from promptstill.near.pairs import Pair
from promptstill.rows.row import KeptRow
from stages.dedupe.compared import reaching
from stages.dedupe.cover import cover, leaving, partners_of

# The thresholds that are tried, the strictest first.
MEANINGS = (0.95, 0.90, 0.85, 0.80, 0.75, 0.70)
OVERLAPS = (0.80, 0.75, 0.70, 0.65, 0.60, 0.55, 0.50, 0.45, 0.40, 0.35, 0.30)
# Pairs this much below the loosest thresholds are hardly duplicates any more.
BELOW = 0.10
# An unrelated row that leaves weighs as much as this many duplicates. So looser thresholds are better if at
# most one in this many of the further rows that leave is unrelated.
WEIGHT = 5
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Candidate:
    """What two thresholds would do if labels were not looked at.

    `leave` rows would leave, `differ` of them for a row with another label. About `unrelated` rows would
    leave for a row that they do not duplicate, and probably no more than `at_most`.
    """

    meaning: float
    text: float
    leave: int
    differ: int
    unrelated: float
    at_most: float

    @property
    def gain(self) -> float:
        """Duplicates that leave, less the weight of the unrelated rows that do."""
        return self.leave - WEIGHT * self.unrelated


@dataclass(frozen=True)
class Rates:
    """How often the labels of duplicates differ, and those of rows that are near but unrelated."""

    duplicates: float
    unrelated: float


def candidates(rows: Sequence[KeptRow], pairs: Sequence[Pair]) -> tuple[Rates, list[Candidate]]:
    """All thresholds with their consequences, the strictest first, and the rates behind them.

    `pairs` are those that reach the loosest thresholds less `BELOW`. The bound behind `at_most` is that of
    Clopper and Pearson (1934) for the share of rows with another label, one-sided.
    """
    counts = {
        (meaning, text): _consequences(rows, reaching(pairs, meaning, text))
        for meaning in MEANINGS
        for text in OVERLAPS
    }
    rates = _rates(rows, pairs, counts[MEANINGS[0], OVERLAPS[0]])
    made = []
    for (meaning, text), (leave, differ) in counts.items():
        share = float(beta.ppf(CONFIDENCE, differ + 1, leave - differ)) if differ < leave else 1.0
        estimates = (_unrelated(leave, count, rates) for count in (differ, share * leave))
        made.append(Candidate(meaning, text, leave, differ, *estimates))
    return rates, made


def _consequences(rows: Sequence[KeptRow], pairs: Sequence[Pair]) -> tuple[int, int]:
    """How many rows would leave, and how many of them for a row with another label."""
    partners = partners_of(pairs)
    left = leaving(rows, partners, cover(rows, partners, 1, {}))
    differ = sum(rows[i]["label"] != rows[best]["label"] for i, (best, _) in left.items())
    return len(left), differ


def _rates(rows: Sequence[KeptRow], pairs: Sequence[Pair], strictest: tuple[int, int]) -> Rates:
    """The rates, drawn slightly, by one more observation, to those of perfect labels and of random rows."""
    leave, differ = strictest
    outside = [p for p in pairs if p.cosine < MEANINGS[-1] or p.text_overlap < OVERLAPS[-1]]
    apart = sum(rows[pair.left]["label"] != rows[pair.right]["label"] for pair in outside)
    sizes = Counter(row["label"] for row in rows).values()
    random_rows = 1 - sum((size / len(rows)) ** 2 for size in sizes)
    return Rates(differ / (leave + 1), (apart + random_rows) / (len(outside) + 1))


def _unrelated(leave: int, differ: float, rates: Rates) -> float:
    """How many of the rows that leave are unrelated if `differ` of them have another label: the solution of
    differ = (leave - unrelated) * rates.duplicates + unrelated * rates.unrelated."""
    excess = differ - leave * rates.duplicates
    gap = rates.unrelated - rates.duplicates
    return max(0.0, min(float(leave), excess / gap)) if gap > 0 else float(leave)


def best_of(tried: Sequence[Candidate]) -> Candidate:
    """The candidate with the largest gain; of equal ones, the strictest."""
    return max(tried, key=lambda candidate: (candidate.gain, candidate.meaning, candidate.text))


def around(pairs: Sequence[Pair], meaning: float, text: float, most: int) -> tuple[list[Pair], list[Pair]]:
    """The pairs that just reach both thresholds, and those that just miss one, the nearest to the border
    first: at most `most` of each."""

    def above(pair: Pair) -> float:
        return min(pair.cosine - meaning, pair.text_overlap - text)

    ordered = sorted(pairs, key=lambda pair: (abs(above(pair)), pair.left, pair.right))
    inside = [pair for pair in ordered if above(pair) >= 0]
    return inside[:most], [pair for pair in ordered if above(pair) < 0][:most]
