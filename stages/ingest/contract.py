"""The row contract: numbered raw objects in, checked rows out, or one error that names every bad line."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from promptstill.console.errors import UserError, did_you_mean
from promptstill.core.files import JsonObject
from promptstill.rows.origin import KINDS
from promptstill.rows.row import TrafficRow

OPTIONAL = ("source", *KINDS)
FIELDS = tuple(TrafficRow.__annotations__)
LINES_NAMED = 8


def check_rows(numbered: Iterable[tuple[int, JsonObject]], path: Path) -> list[TrafficRow]:
    """Check each row against the contract and complete its optional fields.

    A row holds `id` (non-empty, unique), `input` (any text), `timestamp` (ISO 8601 with a time zone,
    normalised to UTC), and may hold `source`, `account`, `thread`, `document`, `translation_group` (text or
    null) and `tags` (list of text).
    Raises UserError with the first problem and its line, and with the numbers of the other bad lines.
    """
    rows: list[TrafficRow] = []
    problems: list[tuple[int, str]] = []
    first_line_of: dict[str, int] = {}
    for number, raw in numbered:
        problem = _problem(raw) or _repeated(raw["id"], first_line_of)
        if problem:
            problems.append((number, problem))
            continue
        first_line_of[raw["id"]] = number
        rows.append(_complete(raw))
    if problems:
        raise UserError(_message(problems, path))
    if not rows:
        raise UserError(
            f"{path}: no rows; write one JSON object per line (`still import` reads CSV, JSONL and chat logs)"
        )
    return rows


def _problem(raw: JsonObject) -> str | None:
    for name in ("id", "input", "timestamp"):
        if name not in raw:
            return f"`{name}` is missing; add it"
    unknown = next((name for name in raw if name not in FIELDS), None)
    if unknown is not None:
        return f"`{unknown}` is not a field of a row{did_you_mean(unknown, FIELDS)}; remove it"
    for name in (field for field in FIELDS if field != "tags"):
        value = raw.get(name)
        if value is None and name in OPTIONAL:
            continue
        if not isinstance(value, str):
            return f"`{name}` is not a string but {type(value).__name__}; quote it"
    if not raw["id"].strip():
        return "`id` is empty; give every row an id of its own"
    tags = raw.get("tags", [])
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        return "`tags` is not a list of strings; write [] for none"
    return (
        None
        if _utc(raw["timestamp"])
        else (
            f"`timestamp` {raw['timestamp']!r} is not ISO 8601 with a time zone, in the years 1 to 9999; "
            "write for example 2026-03-02T06:21:13Z"
        )
    )


def _repeated(row_id: str, first_line_of: dict[str, int]) -> str | None:
    return (
        f"`id` {row_id!r} is already used on line {first_line_of[row_id]}; make it unique"
        if row_id in first_line_of
        else None
    )


def _utc(timestamp: str) -> str | None:
    try:
        moment = datetime.fromisoformat(timestamp)
        if moment.tzinfo is None:
            return None
        return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
    # UTC can be before the year 1 or after the year 9999.
    except (ValueError, OverflowError):
        return None


def _complete(raw: JsonObject) -> TrafficRow:
    return {
        "id": raw["id"],
        "input": raw["input"],
        "source": raw.get("source"),
        "account": _link(raw.get("account")),
        "thread": _link(raw.get("thread")),
        "document": _link(raw.get("document")),
        "translation_group": _link(raw.get("translation_group")),
        "timestamp": _utc(raw["timestamp"]) or "",
        "tags": sorted(set(raw.get("tags", []))),
    }


def _link(value: str | None) -> str | None:
    """An empty text is no account: it must not link all rows that have it."""
    return value if value and value.strip() else None


def _message(problems: list[tuple[int, str]], path: Path) -> str:
    number, problem = problems[0]
    others = [str(line) for line, _ in problems[1:]]
    more = ", ".join(others[:LINES_NAMED]) + (", ..." if len(others) > LINES_NAMED else "")
    return f"{path}:{number}: {problem}" + (f" ({len(others)} more bad lines: {more})" if others else "")
