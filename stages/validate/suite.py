"""The filters of a task: `expectations/<task>/suite.json` in, its checked expectations out.

The file is an ordinary Great Expectations suite. In `meta`, each expectation about rows has a `reason` (the
name under which rows are counted) and an `action` (`reject` or `review`). An expectation about the whole
table has no rows to reject: if it fails, the stage fails. This module does not import Great Expectations,
which takes seconds.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

from promptstill.console.errors import UserError, did_you_mean
from promptstill.core.files import JsonObject, read_json
from stages.validate.columns import COLUMNS

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
    """A checked suite: the content of the file, and its expectations in the same order."""

    path: Path
    content: JsonObject
    filters: tuple[Filter, ...]


def read_suite(path: Path) -> Suite:
    """Read and check a suite.

    Raises UserError for an unknown expectation type or column, a missing reason, an unknown action, and a
    `mostly` that would let rows pass that fail.
    """
    content = read_json(path)
    if not isinstance(content, dict) or not isinstance(content.get("expectations"), list):
        raise UserError(f"{path}: must hold `name` and `expectations`, a list")
    known = _expectation_types()
    entries = enumerate(content["expectations"])
    return Suite(
        path,
        content,
        tuple(_filter(entry, f"{path}: expectations.{number}", known) for number, entry in entries),
    )


def _filter(entry: object, where: str, known: list[str]) -> Filter:
    if not isinstance(entry, dict) or not isinstance(entry.get("type"), str):
        raise UserError(f"{where}: must be an object with `type`, `kwargs` and `meta`")
    kind = entry["type"]
    if kind not in known:
        raise UserError(f"{where}.type: unknown expectation {kind}{did_you_mean(kind, known)}")
    kwargs, meta = _object(entry, "kwargs", where), _object(entry, "meta", where)
    columns = _columns(kwargs, kind, where)
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


def _columns(kwargs: JsonObject, kind: str, where: str) -> tuple[str, ...]:
    """The columns that an expectation reads: the ones that it names, or all if it may read any."""
    named: list[tuple[str, Any]] = [
        (key, kwargs[key]) for key in ("column", "column_A", "column_B") if kwargs.get(key) is not None
    ]
    listed = kwargs.get("column_list") or []
    named += [("column_list", name) for name in (listed if isinstance(listed, list) else [listed])]
    for key, name in named:
        if not isinstance(name, str) or name not in COLUMNS:
            raise UserError(f"{where}.kwargs.{key}: no column {name}{did_you_mean(str(name), COLUMNS)}")
    if kwargs.get("row_condition") is not None or kind.startswith("expect_table_column"):
        return tuple(COLUMNS)
    return tuple(dict.fromkeys(name for _, name in named))


def _expectation_types() -> list[str]:
    package = importlib.util.find_spec("great_expectations")
    if package is None or not package.submodule_search_locations:
        raise UserError("great_expectations is not installed; run `make setup`")
    core = Path(package.submodule_search_locations[0]) / "expectations" / "core"
    return sorted(path.stem for path in core.glob("*expect*.py"))
