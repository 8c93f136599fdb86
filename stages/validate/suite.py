"""The Great Expectations suite: rows in, the expectations that each row fails out.

`expectations/<task>/suite.json` is an ordinary suite. In `meta`, each expectation about rows has a `reason`
(the name under which rows are counted) and an `action` (`reject` or `review`). An expectation about the whole
table has no rows to reject: if it fails, the stage fails.
"""

from __future__ import annotations

import importlib.util
import os
import warnings
from pathlib import Path
from typing import Any

import pandas as pd

from promptstill.answers.spec import AnswerSpec
from promptstill.console.errors import UserError, did_you_mean
from promptstill.core.files import read_json
from promptstill.rows.row import AnsweredRow

ACTIONS = ("reject", "review")
COLUMNS = (
    "input", "input_chars", "reply", "answer", "answer_chars", "label", "confidence", "agreement", "problem",
    "source", "samples", "score",
)  # fmt: skip


def frame(rows: list[AnsweredRow], spec: AnswerSpec) -> pd.DataFrame:
    """A table of the rows, with the columns that a suite may name; they are null for a row without an
    answer."""
    texts = [None if row["answer"] is None else spec.text(row["answer"]) for row in rows]
    return pd.DataFrame(
        {
            "input": [row["input"] for row in rows],
            "input_chars": [len(row["input"]) for row in rows],
            "reply": [row["samples"][0]["response"] for row in rows],
            "answer": texts,
            "answer_chars": [None if text is None else len(text) for text in texts],
            "label": [row["label"] for row in rows],
            "confidence": [row["confidence"] for row in rows],
            "agreement": [row["agreement"] for row in rows],
            "problem": [row["problem"] for row in rows],
            "source": [row["source"] for row in rows],
            "samples": [len(row["samples"]) for row in rows],
            # Rows that the teacher did not grade have no score, and no expectation about scores fails them.
            "score": pd.Series([row.get("score") for row in rows], dtype="float64"),
        },
        columns=list(COLUMNS),
        index=pd.RangeIndex(len(rows)),
    )


def read_suite(path: Path) -> dict[str, Any]:
    """Read and check a suite without importing Great Expectations, which takes seconds.

    Raises UserError for an unknown expectation type or column, a missing reason and an unknown action.
    """
    suite = read_json(path)
    if not isinstance(suite, dict) or not isinstance(suite.get("expectations"), list):
        raise UserError(f"{path}: must hold `name` and `expectations`, a list")
    known = _expectation_types()
    for number, entry in enumerate(suite["expectations"]):
        where = f"{path}: expectations.{number}"
        if not isinstance(entry, dict) or not isinstance(entry.get("type"), str):
            raise UserError(f"{where}: must be an object with `type`, `kwargs` and `meta`")
        kind, meta = entry["type"], entry.get("meta") or {}
        if kind not in known:
            raise UserError(f"{where}.type: unknown expectation {kind}{did_you_mean(kind, known)}")
        column = (entry.get("kwargs") or {}).get("column")
        if column is not None and column not in COLUMNS:
            raise UserError(f"{where}.kwargs.column: no column {column}{did_you_mean(str(column), COLUMNS)}")
        if kind.startswith("expect_column_values") or kind.startswith("expect_column_value_lengths"):
            if not isinstance(meta.get("reason"), str):
                raise UserError(f"{where}.meta.reason: missing; name the reason under which rows are counted")
            if meta.get("action") not in ACTIONS:
                raise UserError(
                    f"{where}.meta.action: {meta.get('action')!r} is none of {', '.join(ACTIONS)}"
                )
    return suite


def _expectation_types() -> list[str]:
    package = importlib.util.find_spec("great_expectations")
    if package is None or not package.submodule_search_locations:
        raise UserError("great_expectations is not installed; run `make setup`")
    core = Path(package.submodule_search_locations[0]) / "expectations" / "core"
    return sorted(path.stem for path in core.glob("*expect*.py"))


def failures(table: pd.DataFrame, suite: dict[str, Any], path: Path) -> list[list[tuple[str, str]]]:
    """The `(reason, action)` pairs of the expectations that each row fails, in the order of the suite.

    Raises UserError for a suite that Great Expectations refuses, and if an expectation about the whole table
    fails.
    """
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        import great_expectations as gx

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = gx.data_context.types.base.ProgressBarsConfig(globally=False)
    try:
        built = context.suites.add(gx.ExpectationSuite(**suite))
    except Exception as error:
        # The library raises several unrelated types, always for a mistake in the file.
        raise UserError(f"{path}: Great Expectations refuses the suite: {error}") from None
    source = context.data_sources.add_pandas("rows").add_dataframe_asset("rows")
    batch = source.add_batch_definition_whole_dataframe("rows").get_batch({"dataframe": table})
    outcome = batch.validate(
        built, result_format={"result_format": "COMPLETE", "return_unexpected_index_query": False}
    )

    failed: list[list[tuple[str, str]]] = [[] for _ in range(len(table))]
    for number, result in enumerate(outcome.results):
        where = f"{path}: {result.expectation_config.type}"
        if (result.exception_info or {}).get("raised_exception") or _nested_exception(result.exception_info):
            raise UserError(f"{where}: cannot be evaluated: {_nested_exception(result.exception_info)}")
        if result.success:
            continue
        meta = result.expectation_config.meta or {}
        indices = result.result.get("unexpected_index_list")
        if indices is None:
            observed = result.result.get("observed_value")
            raise UserError(
                f"{where}: the whole table fails (expectation {number}, observed {observed}); check "
                "the rows or the bound"
            )
        for index in indices:
            failed[index].append((meta["reason"], meta["action"]))
    return failed


def _nested_exception(info: dict[str, Any] | None) -> str:
    """The message of an exception, which Great Expectations reports either flat or by metric."""
    for value in [info or {}, *(v for v in (info or {}).values() if isinstance(v, dict))]:
        if value.get("raised_exception"):
            return str(value.get("exception_message"))
    return ""
