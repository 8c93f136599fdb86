"""Hard cases: which rows are hard, and how difficult they are.

A hard slice is named in `split.hard_slices`. It is a slice of `slices.yaml` (such as short, long or
adversarial rows, which differ from task to task), or one of these, which depend on the answer:

    empty          no letter and no digit
    rare_label     a label that fewer than the share `rare_label` of the rows have (for its share of test:
                   of the rows up to this one, so that later rows change nothing)
    ambiguous      the teacher's samples disagree, or its confidence is below `unsure`
    must_abstain   the label is one of `abstain`: the right answer is that none of the others applies
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from statistics import median

from promptstill.console.errors import SeveralErrors, did_you_mean
from promptstill.core.paths import PARAMS
from promptstill.rows.row import DedupedRow, RatedRow
from stages.split.params import SplitParams

RARE = "rare_label"
BUILT_IN = ("empty", RARE, "ambiguous", "must_abstain")
# A text that is this many times as long or as short as the median has the highest difficulty by length.
EXTREME = 8


def rated(
    rows: Sequence[DedupedRow], params: SplitParams, slices: Sequence[str], task: str
) -> list[RatedRow]:
    """The rows with `hard`, the names of their hard slices, and `difficulty`, from 0 to 1.

    Difficulty is the mean of three parts: how much the teacher disagrees with itself or doubts, how far the
    length is from the median, and whether the row is in a hard slice. `slices` are the names in slices.yaml.
    Raises UserError like `refuse_unknown_slices`.
    """
    refuse_unknown_slices(task, params, slices)
    built_in = _built_in(rows, params)
    usual = max(1, median(len(row["input"]) for row in rows))
    described: list[RatedRow] = []
    for row in rows:
        hard = [name for name in params.hard_slices if built_in.get(name, _in_slice(name))(row)]
        length = abs(math.log(max(1, len(row["input"])) / usual, EXTREME))
        parts = (max(1 - row["agreement"], 1 - _confidence(row)), min(1.0, length), float(bool(hard)))
        described.append({**row, "hard": hard, "difficulty": round(sum(parts) / len(parts), 4)})
    return described


def refuse_unknown_slices(task: str, params: SplitParams, slices: Sequence[str]) -> None:
    """Raise UserError for the hard slices that are neither built in nor in slices.yaml, whose names are
    `slices`."""
    known = [*slices, *BUILT_IN]
    problems = [
        f"{PARAMS}: {task}.split.hard_slices.{name}: neither in slices.yaml nor built in"
        f"{did_you_mean(name, known)}; correct or remove it"
        for name in params.hard_slices
        if name not in known
    ]
    if problems:
        raise SeveralErrors(problems)


def _in_slice(name: str) -> Callable[[DedupedRow], bool]:
    return lambda row: name in row["slices"]


def _confidence(row: DedupedRow) -> float:
    return 1.0 if row["confidence"] is None else row["confidence"]


def _built_in(rows: Sequence[DedupedRow], params: SplitParams) -> dict[str, Callable[[DedupedRow], bool]]:
    count = Counter(row["label"] for row in rows)
    return {
        "empty": lambda row: not any(map(str.isalnum, row["input"])),
        RARE: lambda row: count[row["label"]] < params.rare_label * len(rows),
        "ambiguous": lambda row: row["agreement"] < 1 or _confidence(row) < params.unsure,
        "must_abstain": lambda row: row["label"] in params.abstain,
    }
