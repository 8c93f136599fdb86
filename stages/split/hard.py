"""Hard cases: what makes a row one, and how difficult it is.

A hard slice is named in `split.hard_slices` and is either a slice of `slices.yaml` (such as short, long or
adversarial ones: what that is differs from task to task) or one of these, which need the answer:

    empty          no letter and no digit
    rare_label     the label of fewer than `rare_label` of all rows
    ambiguous      the teacher's samples disagree, or its confidence is below `unsure`
    must_abstain   the label is one of `abstain`: the right answer is that none of the others holds
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from statistics import median

from stages.shared.errors import UserError, did_you_mean
from stages.shared.files import Row
from stages.split.params import SplitParams

# A text this many times as long or as short as the median is as difficult as length makes it.
EXTREME = 8


def with_difficulty(rows: list[Row], params: SplitParams, named: list[str], task: str) -> list[Row]:
    """The rows with `hard` (names of the hard slices that hold) and `difficulty`, from 0 to 1.

    Difficulty is the mean of three parts: how far the teacher disagrees with itself or doubts, how far the
    length is from the median, and whether the row is in a hard slice. `named` are the slices of slices.yaml.
    Raises UserError for a hard slice that is neither there nor built in.
    """
    holds = _built_in(rows, params)
    unknown = next((name for name in params.hard_slices if name not in {*holds, *named}), None)
    if unknown is not None:
        raise UserError(
            f"params.yaml: {task}.split.hard_slices.{unknown}: neither in slices.yaml nor built in"
            f"{did_you_mean(unknown, [*named, *holds])}"
        )
    usual = max(1, median(len(row["input"]) for row in rows))
    described = []
    for row in rows:
        hard = [name for name in params.hard_slices if holds.get(name, _in_slice(name))(row)]
        length = abs(math.log(max(1, len(row["input"])) / usual, EXTREME))
        parts = (max(1 - row["agreement"], 1 - _confidence(row)), min(1.0, length), float(bool(hard)))
        described.append(row | {"hard": hard, "difficulty": round(sum(parts) / len(parts), 4)})
    return described


def _in_slice(name: str) -> Callable[[Row], bool]:
    return lambda row: name in row["slices"]


def _confidence(row: Row) -> float:
    return 1.0 if row["confidence"] is None else float(row["confidence"])


def _built_in(rows: list[Row], params: SplitParams) -> dict[str, Callable[[Row], bool]]:
    count = Counter(row["label"] for row in rows)
    return {
        "empty": lambda row: not any(map(str.isalnum, row["input"])),
        "rare_label": lambda row: count[row["label"]] < params.rare_label * len(rows),
        "ambiguous": lambda row: row["agreement"] < 1 or _confidence(row) < params.unsure,
        "must_abstain": lambda row: row["label"] in params.abstain,
    }
