"""What the columns of a suite held, for the message of a build that keeps no row."""

from __future__ import annotations

from collections import Counter

import pandas as pd

# Other texts are customers' own, which do not belong in a message.
NAMES = ("label", "problem", "source")
MOST_NAMES = 1_000
SHOWN = 3
SHOWN_CHARS = 40


class Observed:
    """The smallest and the largest number of a column, and the most frequent of its names."""

    def __init__(self, columns: tuple[str, ...], open_labels: bool) -> None:
        """`open_labels`: labels are customers' or teachers' own texts, which are not shown."""
        self._columns = columns
        self._ranges: dict[str, tuple[float, float]] = {}
        self._names: dict[str, Counter[str]] = {
            name: Counter() for name in columns if name in NAMES and not (open_labels and name == "label")
        }

    def add(self, table: pd.DataFrame) -> None:
        """Take in a block of rows."""
        for name in self._columns:
            if name in self._names:
                counts = self._names[name]
                for value, count in table[name].value_counts().items():
                    if str(value) in counts or len(counts) < MOST_NAMES:
                        counts[str(value)] += int(count)
            elif pd.api.types.is_numeric_dtype(table[name]) and table[name].notna().any():
                low, high = self._ranges.get(name, (float("inf"), float("-inf")))
                self._ranges[name] = min(low, table[name].min()), max(high, table[name].max())

    def words(self) -> str:
        """`input_chars 5 to 30; label red 3, blue 2`."""
        parts = [f"{name} {low:g} to {high:g}" for name, (low, high) in self._ranges.items()]
        for name, counts in self._names.items():
            shown = ", ".join(f"{value[:SHOWN_CHARS]} {count}" for value, count in counts.most_common(SHOWN))
            parts += [f"{name} {shown}"] if shown else []
        return "; ".join(parts) or "nothing"
