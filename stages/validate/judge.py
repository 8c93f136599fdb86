"""All filters of a suite over all rows, block by block: answered rows in, the filters that each row fails
out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import pandas as pd

from promptstill.answers.spec import AnswerSpec
from promptstill.rows.row import AnsweredRow
from stages.validate.checks import AllRows, Checks
from stages.validate.columns import frame
from stages.validate.observed import Observed
from stages.validate.suite import Suite

# Rows in a block. More take more memory, about 8 kB each; for fewer, the fixed cost of a block counts.
BLOCK = 50_000

Block = Sequence[AnsweredRow]


class Judge:
    """A suite and what it has seen of the rows so far."""

    def __init__(self, suite: Suite, spec: AnswerSpec) -> None:
        """Load Great Expectations. Raises UserError for a suite that it refuses."""
        self._spec, self._available = spec, suite.columns
        self._checks = Checks(suite)
        self._row_filters = [item for item in suite.filters if item.reason is not None]
        self._single = [item for item in self._row_filters if not item.needs_all_rows]
        self._comparing = AllRows([item for item in self._row_filters if item.needs_all_rows])
        self._table = AllRows([item for item in suite.filters if item.reason is None])
        self._compared = np.zeros((0, 0), dtype=bool)
        self._judged = 0
        named = [name for item in self._single for name in item.columns]
        self._columns = tuple(dict.fromkeys([*named, *self._table.columns]))
        self.observed = Observed(tuple(dict.fromkeys(named)), spec.open_labels)

    def compare(self, blocks: Callable[[], Iterable[Block]]) -> None:
        """Judge the expectations for which a row depends on other rows, such as uniqueness.

        Only a suite that has such expectations reads the blocks here, which is a pass of its own.
        """
        if self._comparing.filters:
            for block in blocks():
                self._comparing.add(self._frame(block, self._comparing.columns))
            self._compared = self._checks.failing(self._comparing.table(), self._comparing.filters)

    def failures(self, block: Block) -> list[list[tuple[str, str]]]:
        """The `(reason, action)` pairs of the expectations that each row of the next block fails, in the
        order of the suite."""
        table = self._frame(block, self._columns)
        self._table.add(table)
        self.observed.add(table)
        masks = dict(zip(self._single, self._checks.failing(table, self._single), strict=True))
        compared = self._compared[:, self._judged : self._judged + len(block)]
        self._judged += len(block)
        masks |= zip(self._comparing.filters, compared, strict=True)
        failed: list[list[tuple[str, str]]] = [[] for _ in block]
        for item in self._row_filters:
            pair = (str(item.reason), str(item.action))
            for index in np.flatnonzero(masks[item]):
                failed[index].append(pair)
        return failed

    def _frame(self, block: Block, names: Sequence[str]) -> pd.DataFrame:
        return frame(block, self._available, self._spec, names)

    def finish(self) -> None:
        """Raise UserError, after the last block, if an expectation about the whole table fails."""
        self._checks.require(self._table.table(), self._table.filters)
