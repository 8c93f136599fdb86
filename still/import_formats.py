"""The files that `still import` reads: CSV, JSONL and OpenAI chat logs, as numbered rows before any check.

Errors name the file as the user typed it (`shown`) and the line.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from promptstill.console.errors import UserError, did_you_mean
from promptstill.core.files import JsonObject, read_lines, read_text
from promptstill.core.paths import prompt_file
from promptstill.teacher.questions import INPUT
from stages.ingest.contract import FIELDS

FORMATS = ("csv", "jsonl", "chat")
# Cells of a CSV may be long mails; the csv module's own limit is 128 KiB.
LONGEST_CELL = 16 * 2**20
# Unix seconds from here on (the year 5138) are milliseconds, microseconds or nanoseconds.
MOST_SECONDS = 1e11


def read_rows_of(
    task: str, source: Path, shown: str, source_format: str, columns: list[str]
) -> Iterator[tuple[int, JsonObject]]:
    """`(line, row)` for each row of a file; a row has the fields that the file gives.

    Raises UserError for a missing file, an unknown format or field, and a line that cannot be read.
    """
    if not source.exists():
        raise UserError(f"{shown}: no such file; correct the path")
    kind = source_format or guess_format(source, shown)
    if kind not in FORMATS:
        raise UserError(f"--format: {kind!r} is none of {', '.join(FORMATS)}{did_you_mean(kind, FORMATS)}")
    names = column_names(columns)
    if kind == "csv":
        return from_csv(source, shown, names)
    return (
        from_jsonl(source, shown, names) if kind == "jsonl" else from_chat(source, shown, prompt_file(task))
    )


def guess_format(source: Path, shown: str) -> str:
    """`csv` by the file's suffix, or else `chat` if the first row has messages, or else `jsonl`."""
    if source.suffix.lower() in (".csv", ".tsv"):
        return "csv"
    _, first = next(read_lines(source, shown_as=shown), (0, {}))
    return "chat" if _messages(first) is not None else "jsonl"


def column_names(columns: list[str]) -> dict[str, str]:
    """`{field: name in the file}` from `FIELD=NAME` options."""
    names = {name: name for name in FIELDS}
    for option in columns:
        field, equals, name = option.partition("=")
        if not equals or field not in FIELDS:
            raise UserError(f"--column {option}: must be FIELD=NAME with a field of {', '.join(FIELDS)}")
        names[field] = name
    return names


def from_csv(source: Path, shown: str, names: dict[str, str]) -> Iterator[tuple[int, JsonObject]]:
    """Rows of a CSV (or TSV) with a header; empty cells are absent values."""
    csv.field_size_limit(LONGEST_CELL)
    try:
        with source.open(encoding="utf-8-sig", newline="") as lines:
            table = csv.DictReader(
                lines, delimiter="\t" if source.suffix.lower() == ".tsv" else ",", strict=True
            )
            header = table.fieldnames or []
            if names["input"] not in header:
                raise UserError(f"{shown}:1: no column {names['input']!r}; map one with --column input=NAME")
            for cells in table:
                row: JsonObject = {field: cells[name] for field, name in names.items() if cells.get(name)}
                row["input"] = cells[names["input"]] or ""
                if "tags" in row:
                    row["tags"] = row["tags"].split()
                yield table.line_num, row
    except UnicodeDecodeError as error:
        raise UserError(f"{shown}: not UTF-8 (byte {error.start + 1}); save the file as UTF-8") from None
    except csv.Error as error:
        raise UserError(
            f"{shown}: not CSV ({error}); quote the cells that hold quotes or line breaks"
        ) from None


def from_jsonl(source: Path, shown: str, names: dict[str, str]) -> Iterator[tuple[int, JsonObject]]:
    """Rows of a JSONL file, without the fields that a row does not have."""
    for number, values in read_lines(source, shown_as=shown):
        yield number, {field: values[name] for field, name in names.items() if name in values}


def from_chat(source: Path, shown: str, prompt: Path) -> Iterator[tuple[int, JsonObject]]:
    """The last user message of each logged request, without the teacher's prompt around it.

    Understands a bare request body, one under `request` or `body`, and `created` or `created_at` as ISO or as
    Unix time in seconds or thousandths, millionths or billionths of seconds.
    """
    before, _, after = read_text(prompt).partition(INPUT) if prompt.exists() else ("", "", "")
    for number, log in read_lines(source, shown_as=shown):
        contents = [
            message.get("content")
            for message in _messages(log) or []
            if isinstance(message, dict) and message.get("role") == "user"
        ]
        if not contents or not isinstance(contents[-1], str):
            raise UserError(
                f"{shown}:{number}: no user message with text; remove the line or name --format jsonl"
            )
        text = contents[-1]
        if before and text.startswith(before) and text.endswith(after):
            text = text[len(before) : len(text) - len(after)]
        row: JsonObject = {"input": text}
        created = log.get("created", log.get("created_at"))
        if created is not None:
            row["timestamp"] = timestamp_of(created, f"{shown}:{number}")
        user = log.get("user") or _body(log).get("user")
        row |= {"account": str(user)} if user else {}
        row |= {"id": str(log["custom_id"])} if "custom_id" in log else {}
        yield number, row


def timestamp_of(created: object, where: str) -> str:
    """The time of a log entry in ISO 8601, in UTC if it was a number. Raises UserError if it is no time."""
    if isinstance(created, str):
        return created
    try:
        if not isinstance(created, int | float) or isinstance(created, bool):
            raise ValueError
        seconds = float(created)
        finer = next((unit for unit in (1e3, 1e6, 1e9) if abs(seconds) / unit < MOST_SECONDS), 1.0)
        seconds = seconds if abs(seconds) < MOST_SECONDS else seconds / finer
        return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
    except (ValueError, OverflowError, OSError):
        raise UserError(
            f"{where}: `created` {str(created)[:40]} is no time; write ISO 8601 or Unix seconds"
        ) from None


def _body(log: JsonObject) -> JsonObject:
    for name in ("request", "body"):
        if isinstance(log.get(name), dict):
            return _body(log[name])
    return log


def _messages(log: JsonObject) -> list[Any] | None:
    messages = _body(log).get("messages")
    return messages if isinstance(messages, list) else None
