"""Great Expectations: a checked suite and tables of rows in, the filters that each row fails out.

Rows are judged in blocks. For an expectation about rows, the library's own condition is computed: a mask of
the rows that fail it. Its full report would list every failing value as well, which takes most of its time.
Expectations that need all rows are judged once, over the columns that they name.
"""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from promptstill.console.errors import UserError, check_each
from promptstill.core.files import JsonObject
from stages.validate.columns import TEXT, Column
from stages.validate.suite import Filter, Suite

# Only whether the table passes and the observed value are needed.
SHORT_REPORT = {"result_format": {"result_format": "BASIC", "partial_unexpected_count": 0}}

Failing = NDArray[np.bool_]


@dataclass(frozen=True)
class _Group:
    """Filters that are judged together, prepared once and computed for every block."""

    columns: tuple[str, ...]
    engine: Any
    graph: Any
    metrics: dict[Filter, tuple[str, str, str]]


class Checks:
    """A suite that Great Expectations has accepted."""

    def __init__(self, suite: Suite) -> None:
        """Load the library. Raises UserError for a suite that it refuses."""
        os.environ["GX_ANALYTICS_ENABLED"] = "false"
        # What the library logs about a failed computation is in the error that is raised here.
        logging.getLogger("great_expectations").setLevel(logging.CRITICAL)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            import great_expectations as gx
        self._suite_of = gx.ExpectationSuite
        self._built({**suite.content, "expectations": []}, str(suite.path))
        self.filters = suite.filters
        self._columns = suite.columns
        self._expectations: dict[Filter, Any] = {}
        check_each(enumerate(suite.filters), lambda number, item: self._accept(suite, item, number))
        self._groups: dict[tuple[Filter, ...], list[_Group]] = {}

    def _accept(self, suite: Suite, item: Filter, number: int) -> None:
        alone = {**suite.content, "expectations": [suite.content["expectations"][number]]}
        built = self._built(alone, item.where)
        if len(built) != 1:
            # The library leaves out types that it names but does not have, with no more than a log line.
            raise UserError(f"{item.where}: Great Expectations has no such type any more; use another")
        self._expectations[item] = built[0]

    def _built(self, content: JsonObject, where: str) -> list[Any]:
        try:
            expectations: list[Any] = self._suite_of(**content).expectations
        except Exception as error:
            # The library raises several unrelated types, always for a mistake in the file.
            raise UserError(f"{where}: Great Expectations refuses the suite: {error}") from None
        return expectations

    def try_out(self) -> None:
        """Compute every expectation for one made-up row, whatever the outcome. Raises UserError naming all
        that cannot be computed for any rows, such as one with a bad pattern."""
        check_each(enumerate(self.filters), lambda _, item: self._try(item, made_up(self._columns)))

    def _try(self, item: Filter, table: pd.DataFrame) -> None:
        if item.reason is not None:
            self.failing(table, [item])
            return
        self._metrics(item, *_calculator(table))

    def failing(self, table: pd.DataFrame, filters: Sequence[Filter]) -> Failing:
        """Whether a row fails a filter about rows: bool, shape `(len(filters), len(table))`.

        The table has a RangeIndex. Raises UserError for an expectation that cannot be computed.
        """
        failing = {item: np.zeros(len(table), dtype=bool) for item in filters}
        for group in self._prepared(tuple(filters), table):
            group.engine.load_batch_data("rows", table[list(group.columns)])
            metrics, aborted = group.graph.resolve(show_progress_bars=False)
            for item, metric in group.metrics.items():
                if metric not in metrics:
                    raise UserError(f"{item.where}: cannot be evaluated: {_message(aborted, metric)}")
                with evaluating(item):
                    # The mask leaves out rows that the expectation skips, such as nulls.
                    mask = metrics[metric][0]
                    failing[item][mask.index[mask.to_numpy(dtype=bool)]] = True
        return np.array(list(failing.values()), dtype=bool).reshape(len(filters), len(table))

    def require(self, table: pd.DataFrame, filters: Sequence[Filter]) -> None:
        """Raise UserError for the first of the expectations about the whole table that fails."""
        engine, calculator = _calculator(table)
        for item in filters:
            metrics = self._metrics(item, engine, calculator)
            with evaluating(item):
                result = self._expectations[item].metrics_validate(metrics, SHORT_REPORT, engine)
            if not result.success:
                raise UserError(
                    f"{item.where}: the whole table fails (observed {result.result.get('observed_value')}); "
                    "check the rows or the bound"
                )

    def _metrics(self, item: Filter, engine: Any, calculator: Any) -> Any:  # noqa: ANN401
        """What an expectation about the whole table is decided from."""
        with evaluating(item):
            expectation = self._expectations[item]
            needed = expectation.get_validation_dependencies(engine, SHORT_REPORT).metric_configurations
            metrics, aborted = calculator.compute_metrics(list(needed.values()))
            if any(metric.id not in metrics for metric in needed.values()):
                raise UserError(f"{item.where}: cannot be evaluated: {_message(aborted)}")
            return metrics

    def _prepared(self, filters: tuple[Filter, ...], table: pd.DataFrame) -> list[_Group]:
        """The filters in groups. The library takes whole tables without the nulls of a column, which is slow
        for texts, so that a filter on texts gets a table of its own."""
        if filters not in self._groups:
            numbers = set(table.select_dtypes("number").columns)
            groups: dict[tuple[str, ...], list[Filter]] = {}
            for item in filters:
                groups.setdefault(() if numbers.issuperset(item.columns) else item.columns, []).append(item)
            self._groups[filters] = [self._group(members, table) for members in groups.values()]
        return self._groups[filters]

    def _group(self, filters: list[Filter], table: pd.DataFrame) -> _Group:
        """Find the metric that says which rows fail an expectation, with all that it is computed from."""
        from great_expectations.execution_engine import PandasExecutionEngine
        from great_expectations.validator.metric_configuration import MetricConfiguration
        from great_expectations.validator.validation_graph import ValidationGraph

        engine = PandasExecutionEngine(batch_data_dict={"rows": table})
        graph = ValidationGraph(execution_engine=engine)
        metrics: dict[Filter, tuple[str, str, str]] = {}
        for item in filters:
            expectation = self._expectations[item]
            with evaluating(item):
                needed = expectation.get_validation_dependencies(
                    engine, {"result_format": {"result_format": "BOOLEAN_ONLY"}}
                ).metric_configurations
                count = needed[f"{expectation.map_metric}.unexpected_count"]
                metric = MetricConfiguration(
                    f"{expectation.map_metric}.condition",
                    count.metric_domain_kwargs,
                    count.metric_value_kwargs,
                )
                graph.build_metric_dependency_graph(metric)
            metrics[item] = metric.id
        columns = dict.fromkeys(name for item in filters for name in item.columns)
        return _Group(tuple(columns), engine, graph, metrics)


class AllRows:
    """The columns of all rows that some filters need, without the rows: numbers as arrays, texts as Arrow
    arrays. It takes no memory per row if the filters only count rows."""

    def __init__(self, filters: Sequence[Filter]) -> None:
        self.filters = tuple(filters)
        self.columns = tuple(dict.fromkeys(name for item in filters for name in item.columns))
        self._blocks: list[pd.DataFrame] = []
        self._rows = 0

    def add(self, table: pd.DataFrame) -> None:
        """Keep the columns of a block of rows."""
        self._rows += len(table)
        if self.columns:
            self._blocks.append(table[list(self.columns)].copy())

    def table(self) -> pd.DataFrame:
        """The table of all rows."""
        if not self._blocks:
            return pd.DataFrame(index=pd.RangeIndex(self._rows))
        return pd.concat(self._blocks, ignore_index=True)


def _calculator(table: pd.DataFrame) -> tuple[Any, Any]:
    """The library's engine over a table, and its calculator of metrics."""
    from great_expectations.execution_engine import PandasExecutionEngine
    from great_expectations.validator.metrics_calculator import MetricsCalculator

    engine = PandasExecutionEngine(batch_data_dict={"rows": table})
    return engine, MetricsCalculator(execution_engine=engine, show_progress_bars=False)


def made_up(columns: Mapping[str, Column]) -> pd.DataFrame:
    """A table of one row with all columns. Its texts are numbers too, so no parser of texts refuses them."""
    return pd.DataFrame(
        {name: pd.Series(["0" if kind == TEXT else 1], dtype=kind) for name, (kind, _) in columns.items()}
    )


@contextmanager
def evaluating(item: Filter) -> Iterator[None]:
    """Turn what the library raises about an expectation into a UserError that names it."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        # The library raises many unrelated types, always for an expectation that it cannot compute.
        raise UserError(f"{item.where}: cannot be evaluated: {error}") from None


def _message(aborted: dict[Any, Any], metric: object = None) -> str:
    """The message of the exception that stopped the computation of a metric or, if that is not known, of the
    first one."""
    stopped = [aborted[metric]] if metric in aborted else list(aborted.values())
    return str(stopped[0]["exception_info"].exception_message) if stopped else "the library gives no reason"
