"""Where a component goes: by shares of labels, by time or by source.

A quota chooses the split of a component from the row that founds it, and every row is charged to the split
that it ends up in.

By shares, each row adds the shares of train, validation and test to the credits of its stratum (its label and
its share of test), and the split that the row is in is charged one. A component goes where the credit is
largest (smooth weighted round robin), which makes up for rows that links have taken elsewhere. A hash of the
component would not need the rows in order of time, but would leave the sizes of splits and labels to chance.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from datetime import datetime
from typing import Protocol, get_args

from promptstill.rows.origin import moment
from promptstill.rows.row import RatedRow, SplitName
from stages.split.hard_slices import RARE
from stages.split.params import Sources, SplitParams, Windows

SPLITS: tuple[SplitName, ...] = get_args(SplitName)
# The seed starts each stratum at one of this many phases of the round robin.
PHASES = 20

Credits = dict[SplitName, float]


class Quota(Protocol):
    """The rule of one strategy."""

    def choose(self, row: RatedRow) -> tuple[SplitName, str]:
        """The split of a component that `row` founds, and the reason. Changes nothing."""
        ...

    def charge(self, row: RatedRow, split: SplitName) -> None:
        """Count a row in the split that it is in."""
        ...


def quota_of(params: SplitParams) -> Quota:
    """The quota of the strategy in `params`, at its start."""
    if params.strategy == "stratified":
        return ShareQuota(params)
    if params.strategy == "time" and params.windows is not None:
        return WindowQuota(params.windows)
    if params.strategy == "source" and params.sources is not None:
        return SourceQuota(params.sources)
    raise ValueError(f"strategy {params.strategy} without its block")


class ShareQuota:
    """Every label gives each split its share; a hard slice may have a share of test of its own."""

    def __init__(self, params: SplitParams) -> None:
        self._params = params
        self._credits: dict[tuple[str, float], Credits] = {}
        self._charged: Counter[str] = Counter()
        self._rows = 0

    def choose(self, row: RatedRow) -> tuple[SplitName, str]:
        """The split with the largest credit; the reason is `share` or `slice NAME`."""
        reason, test = self._test_share(row)
        return _largest(self._credits_of(row["label"], test), self._shares(test)), reason

    def charge(self, row: RatedRow, split: SplitName) -> None:
        """Add the shares to the credits of the row's stratum and charge the split."""
        _, test = self._test_share(row)
        _charge(self._credits_of(row["label"], test), self._shares(test), split)
        self._charged[row["label"]] += 1
        self._rows += 1

    def _test_share(self, row: RatedRow) -> tuple[str, float]:
        """The largest share among the row's hard slices that have one, or else the usual share."""
        rare = [RARE] if RARE in self._params.hard_slices and self._is_rare(row["label"]) else []
        names = [*(name for name in row["hard"] if name != RARE), *rare]
        fractions = {f"slice {name}": self._params.hard_slices[name].fraction for name in names}
        held_out = [(name, share) for name, share in fractions.items() if share is not None]
        return max(held_out, key=lambda pair: pair[1], default=("share", self._params.test))

    def _is_rare(self, label: str) -> bool:
        """Whether the label is rare among the rows up to this one. Over all rows, a later row could make an
        earlier label rare, or common, and so move rows."""
        return self._charged[label] + 1 < self._params.rare_label * (self._rows + 1)

    def _shares(self, test: float) -> Credits:
        return {
            "train": 1 - test - self._params.validation,
            "validation": self._params.validation,
            "test": test,
        }

    def _credits_of(self, label: str, test: float) -> Credits:
        if (label, test) not in self._credits:
            digest = hashlib.sha256(f"{self._params.seed}\n{label}\n{test}".encode()).digest()
            credits: Credits = dict.fromkeys(SPLITS, 0.0)
            shares = self._shares(test)
            for _ in range(digest[0] % PHASES):
                _charge(credits, shares, _largest(credits, shares))
            self._credits[label, test] = credits
        return self._credits[label, test]


def _largest(credits: Credits, shares: Credits) -> SplitName:
    return max(SPLITS, key=lambda name: credits[name] + shares[name])


def _charge(credits: Credits, shares: Credits, split: SplitName) -> None:
    for name in SPLITS:
        credits[name] += shares[name]
    credits[split] -= 1


class WindowQuota:
    """Validation and test are the latest windows of time."""

    def __init__(self, windows: Windows) -> None:
        self._starts: dict[SplitName, datetime] = {
            "test": moment(windows.test_from),
            "validation": moment(windows.validation_from),
        }

    def choose(self, row: RatedRow) -> tuple[SplitName, str]:
        """The window that the row's timestamp is in."""
        received = moment(row["timestamp"])
        split = next((name for name, start in self._starts.items() if received >= start), None)
        return split or "train", "window"

    def charge(self, row: RatedRow, split: SplitName) -> None:
        """Windows have no quota."""


class SourceQuota:
    """Whole sources are held out for validation and test."""

    def __init__(self, sources: Sources) -> None:
        self._held_out: dict[SplitName, tuple[str, ...]] = {
            "validation": sources.validation,
            "test": sources.test,
        }

    def choose(self, row: RatedRow) -> tuple[SplitName, str]:
        """The split that the row's source is held out for."""
        split = next((name for name, sources in self._held_out.items() if row["source"] in sources), None)
        return split or "train", "source"

    def charge(self, row: RatedRow, split: SplitName) -> None:
        """Sources have no quota."""
