"""The filters of a task: `expectations/<task>/suite.json` in, its checked expectations out.

The file is an ordinary Great Expectations suite. In `meta`, each expectation about rows has a `reason` (the
name under which rows are counted) and an `action` (`reject` or `review`). An expectation about the whole
table has no rows to reject: if it fails, the stage fails. This module does not import Great Expectations,
which takes seconds.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

from promptstill.answers.spec import AnswerSpec
from promptstill.console.errors import UserError, check_each, did_you_mean
from promptstill.core.files import JsonObject, read_json
from stages.validate.columns import COLUMNS, Column, columns_of

Action = Literal["reject", "review"]
ACTIONS: tuple[Action, ...] = ("reject", "review")
ABOUT_ROWS = (
    "expect_column_values_", "expect_column_value_", "expect_column_pair_values_", "expect_compound_columns_",
    "expect_multicolumn_", "expect_select_column_values_",
)  # fmt: skip
# The type of a column is the same for all rows.
ABOUT_TYPES = ("expect_column_values_to_be_of_type", "expect_column_values_to_be_in_type_list")
# Whether a row passes these depends on the other rows.
COMPARES_ROWS = (
    "expect_column_values_to_be_unique", "expect_compound_columns_to_be_unique",
    "expect_column_values_to_be_increasing", "expect_column_values_to_be_decreasing",
    "expect_column_value_z_scores_to_be_less_than", "expect_column_values_to_not_be_outliers",
)  # fmt: skip
# The library has no way to compute these for a table of pandas.
IN_DATABASES = (
    "expect_column_values_to_match_like_pattern", "expect_column_values_to_not_match_like_pattern",
    "expect_column_values_to_match_like_pattern_list", "expect_column_values_to_not_match_like_pattern_list",
    "expect_query_results_to_match_comparison", "expect_table_row_count_to_equal_other_table",
    "unexpected_rows_expectation",
)  # fmt: skip
# The end of a type, and the argument that its filter is nothing without.
PATTERNS = {"match_regex": "regex", "match_regex_list": "regex_list"}


@dataclass(frozen=True)
class Filter:
    """One expectation of a suite. `where` names it in errors. An expectation about rows has a `reason` and an
    `action`; an expectation about the whole table has neither."""

    where: str
    kind: str
    columns: tuple[str, ...]
    reason: str | None
    action: Action | None

    @property
    def needs_all_rows(self) -> bool:
        """Whether the outcome for a row depends on other rows, or there is only one outcome for all rows."""
        return self.reason is None or self.kind in COMPARES_ROWS


@dataclass(frozen=True)
class Suite:
    """A checked suite: the content of the file, its expectations in the same order, and the columns that
    they may name."""

    path: Path
    content: JsonObject
    filters: tuple[Filter, ...]
    columns: Mapping[str, Column]


def read_suite(path: Path, spec: AnswerSpec) -> Suite:
    """Read and check the suite for the answers of `spec`.

    Raises UserError naming every expectation that has an unknown type or column, a type that tables of pandas
    cannot be checked for, no pattern, no reason, an unknown action, or a `mostly` that would let rows pass
    that fail.
    """
    content = read_json(path)
    if not isinstance(content, dict) or not isinstance(content.get("expectations"), list):
        raise UserError(f"{path}: must hold `name` and `expectations`, a list")
    known, columns = _expectation_types(), columns_of(spec)
    filters: list[Filter] = []
    check_each(
        enumerate(content["expectations"]),
        lambda number, entry: filters.append(
            _filter(entry, f"{path}: expectations.{number}", known, columns)
        ),
    )
    return Suite(path, content, tuple(filters), columns)


def _filter(entry: object, where: str, known: list[str], available: Mapping[str, Column]) -> Filter:
    if not isinstance(entry, dict) or not isinstance(entry.get("type"), str):
        raise UserError(f"{where}: must be an object with `type`, `kwargs` and `meta`")
    kind = entry["type"]
    if kind not in known:
        raise UserError(f"{where}.type: unknown expectation {kind}{did_you_mean(kind, known)}")
    if kind in IN_DATABASES:
        raise UserError(
            f"{where}.type: Great Expectations computes {kind} in databases only, and the rows are no "
            "database; remove it, or write a text filter as expect_column_values_to_match_regex"
        )
    kwargs, meta = _object(entry, "kwargs", where), _object(entry, "meta", where)
    pattern = next((name for end, name in PATTERNS.items() if kind.endswith(end)), None)
    if pattern is not None and not kwargs.get(pattern):
        raise UserError(f"{where}.kwargs.{pattern}: missing; without it, the library lets every row pass")
    columns = _columns(kwargs, kind, where, available)
    if kind in ABOUT_TYPES or not kind.startswith(ABOUT_ROWS):
        return Filter(f"{where} ({kind})", kind, columns, None, None)
    reason, action = meta.get("reason"), meta.get("action")
    if not isinstance(reason, str) or not reason:
        raise UserError(f"{where}.meta.reason: missing; name the reason under which rows are counted")
    if action not in ACTIONS:
        raise UserError(f"{where}.meta.action: {action!r} is none of {', '.join(ACTIONS)}")
    if kwargs.get("mostly", 1) != 1:
        raise UserError(
            f"{where}.kwargs.mostly: every row is judged for itself; remove `mostly`, or limit the share "
            "with an expectation about the whole table"
        )
    return Filter(f"{where} ({kind})", kind, columns, reason, cast(Action, action))


def _object(entry: JsonObject, key: str, where: str) -> JsonObject:
    value = entry.get(key) or {}
    if not isinstance(value, dict):
        raise UserError(f"{where}.{key}: must be an object")
    return value


def _columns(kwargs: JsonObject, kind: str, where: str, available: Mapping[str, Column]) -> tuple[str, ...]:
    """The columns that an expectation reads: the ones that it and its condition name. One about the columns
    of the table reads those that every task has."""
    named: list[tuple[str, Any]] = [
        (key, kwargs[key]) for key in ("column", "column_A", "column_B") if kwargs.get(key) is not None
    ]
    listed = kwargs.get("column_list") or []
    named += [("column_list", name) for name in (listed if isinstance(listed, list) else [listed])]
    named += [("row_condition", name) for name in _in_condition(kwargs.get("row_condition"), available)]
    for key, name in named:
        if not isinstance(name, str) or name not in available:
            raise UserError(f"{where}.kwargs.{key}: no column {name}{did_you_mean(str(name), available)}")
    if kind.startswith("expect_table_column"):
        return tuple(COLUMNS)
    return tuple(dict.fromkeys(name for _, name in named))


def _in_condition(condition: Any, available: Mapping[str, Column]) -> list[Any]:  # noqa: ANN401
    """The columns that a `row_condition` reads: those that an object names, or of the text that older suites
    have, all whose name occurs in it."""
    if isinstance(condition, str):
        return [name for name in available if name in condition]
    if not isinstance(condition, dict):
        return []
    parts = condition.get("conditions")
    # The library writes a condition that is a text as an object too.
    parts = [*(parts if isinstance(parts, list) else ()), condition.get("pass_through_filter")]
    inner = [name for part in parts for name in _in_condition(part, available)]
    column = condition.get("column")
    return [*inner, column.get("name")] if isinstance(column, dict) else inner


def _expectation_types() -> list[str]:
    package = importlib.util.find_spec("great_expectations")
    if package is None or not package.submodule_search_locations:
        raise UserError("great_expectations is not installed; run `make setup`")
    listed = Path(package.submodule_search_locations[0]) / "expectations" / "core" / "__init__.py"
    # The package holds modules of old types too, which it does not offer.
    return sorted(re.findall(r"^from \.(\w*expect\w*) import", listed.read_text("utf-8"), re.MULTILINE))
