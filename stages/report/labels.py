"""The labels of the dataset, the most frequent first."""

from __future__ import annotations

from collections import Counter

from stages.report.build import SPLITS

# A card lists this many labels; a task whose answers are free text has about as many labels as rows.
MAX_LABELS = 50


def label_counts(by_split: dict[str, dict[str, int]]) -> list[tuple[str, dict[str, int]]]:
    """Every label with its rows by split, the most frequent label first."""
    totals: Counter[str] = Counter()
    for counts in by_split.values():
        totals.update(counts)
    return [
        (label, {name: by_split[name].get(label, 0) for name in SPLITS})
        for label, _ in sorted(totals.items(), key=most_first)
    ]


def most_first(entry: tuple[str, int]) -> tuple[int, str]:
    """Sort key of a name with its count: the largest count first, then by name."""
    return -entry[1], entry[0]
