"""Rows to split, and where they went."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from promptstill.rows.row import PlacedRow, RatedRow, SplitName
from stages.split.assign import Parts, assign
from stages.split.links import links_of
from tests.params import split_params
from tests.rows import rated_row


def split_of(rows: Sequence[RatedRow], **changes: Any) -> Parts:
    """The splits of rows that share nothing but their origins."""
    return assign(rows, links_of(rows, []), split_params(**changes)).parts


def home_of(parts: Mapping[SplitName, Sequence[PlacedRow]]) -> dict[str, SplitName]:
    """The split of each row, by id."""
    return {row["id"]: name for name, part in parts.items() for row in part}


def grown(seed: int, count: int) -> list[RatedRow]:
    """Rows that share threads and accounts, so that late rows connect components that were apart."""
    random = np.random.default_rng(seed)
    return [
        rated_row(
            i,
            account=f"a{random.integers(60)}" if random.integers(2) else None,
            thread=f"t{random.integers(60)}" if random.integers(2) else None,
            label=str(random.integers(3)),
            hard=["email_rows"][: random.integers(2)],
        )
        for i in range(count)
    ]
