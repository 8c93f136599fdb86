"""`still import`: CSV, JSONL and OpenAI chat logs in, checked traffic rows appended to
`data/traffic/<task>.jsonl`."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from promptstill.console.errors import UserError, did_you_mean
from promptstill.core.files import JsonObject, read_lines, read_text, write_rows
from promptstill.core.paths import prompt_file, traffic_file
from promptstill.core.settings import require_task
from promptstill.teacher.questions import INPUT
from stages.ingest.contract import FIELDS, check_rows

FORMATS = ("csv", "jsonl", "chat")
# Cells of a CSV may be long mails; the csv module's own limit is 128 KiB.
LONGEST_CELL = 16 * 2**20


def import_rows(
    task: str, source: Path, source_format: str, columns: list[str], timestamp: str, origin: str
) -> None:
    """Append the rows of `source`. Nothing is written unless every row meets the row contract.

    A row without an id gets one from its content, so importing a file twice is an error about repeated ids.
    """
    require_task(task)
    if not source.exists():
        raise UserError(f"{source}: no such file; correct the path")
    kind = source_format or guess_format(source)
    if kind not in FORMATS:
        raise UserError(f"--format: {kind!r} is none of {', '.join(FORMATS)}{did_you_mean(kind, FORMATS)}")
    names = column_names(columns)
    if kind == "csv":
        numbered = from_csv(source, names)
    elif kind == "jsonl":
        numbered = from_jsonl(source, names)
    else:
        numbered = from_chat(source, prompt_file(task))
    completed = ((number, complete(row, timestamp, origin)) for number, row in numbered)
    new = check_rows(completed, source)

    target = traffic_file(task)
    old = [row for _, row in read_lines(target)] if target.exists() else []
    known = {row.get("id") for row in old}
    twice = next((row["id"] for row in new if row["id"] in known), None)
    if twice is not None:
        raise UserError(f"{source}: id {twice!r} is already in {target}; give the new rows ids of their own")
    write_rows(target, [*old, *new])
    print(f"{len(new)} rows appended to {target}, {len(old) + len(new)} in all; run `dvc repro`")


def guess_format(source: Path) -> str:
    """`csv` by the file's suffix, or else `chat` if the first row has messages, or else `jsonl`."""
    if source.suffix.lower() in (".csv", ".tsv"):
        return "csv"
    _, first = next(read_lines(source), (0, {}))
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


def from_csv(source: Path, names: dict[str, str]) -> Iterator[tuple[int, JsonObject]]:
    """Rows of a CSV (or TSV) with a header; empty cells are absent values."""
    csv.field_size_limit(LONGEST_CELL)
    try:
        with source.open(encoding="utf-8-sig", newline="") as lines:
            table = csv.DictReader(
                lines, delimiter="\t" if source.suffix.lower() == ".tsv" else ",", strict=True
            )
            header = table.fieldnames or []
            if names["input"] not in header:
                raise UserError(f"{source}:1: no column {names['input']!r}; map one with --column input=NAME")
            for cells in table:
                row: JsonObject = {field: cells[name] for field, name in names.items() if cells.get(name)}
                row["input"] = cells[names["input"]] or ""
                if "tags" in row:
                    row["tags"] = row["tags"].split()
                yield table.line_num, row
    except UnicodeDecodeError as error:
        raise UserError(f"{source}: not UTF-8 (byte {error.start + 1}); save the file as UTF-8") from None
    except csv.Error as error:
        raise UserError(
            f"{source}: not CSV ({error}); quote the cells that hold quotes or line breaks"
        ) from None


def from_jsonl(source: Path, names: dict[str, str]) -> Iterator[tuple[int, JsonObject]]:
    """Rows of a JSONL file, without the fields that a row does not have."""
    for number, values in read_lines(source):
        yield number, {field: values[name] for field, name in names.items() if name in values}


def from_chat(source: Path, prompt: Path) -> Iterator[tuple[int, JsonObject]]:
    """The last user message of each logged request, without the teacher's prompt around it.

    Understands a bare request body, one under `request` or `body`, and `created` or `created_at` as Unix
    seconds or ISO.
    """
    before, _, after = read_text(prompt).partition(INPUT) if prompt.exists() else ("", "", "")
    for number, log in read_lines(source):
        contents = [
            message.get("content")
            for message in _messages(log) or []
            if isinstance(message, dict) and message.get("role") == "user"
        ]
        if not contents or not isinstance(contents[-1], str):
            raise UserError(
                f"{source}:{number}: no user message with text; remove the line or name --format jsonl"
            )
        text = contents[-1]
        if before and text.startswith(before) and text.endswith(after):
            text = text[len(before) : len(text) - len(after)]
        row: JsonObject = {"input": text}
        created = log.get("created", log.get("created_at"))
        if isinstance(created, int | float):
            row["timestamp"] = datetime.fromtimestamp(created, UTC).isoformat().replace("+00:00", "Z")
        elif isinstance(created, str):
            row["timestamp"] = created
        user = log.get("user") or _body(log).get("user")
        row |= {"account": str(user)} if user else {}
        row |= {"id": str(log["custom_id"])} if "custom_id" in log else {}
        yield number, row


def complete(row: JsonObject, timestamp: str, origin: str) -> JsonObject:
    """The row with the defaults of the command line, and with an id made from its content if it has none."""
    if timestamp:
        row.setdefault("timestamp", timestamp)
    if origin:
        row.setdefault("source", origin)
    if "id" not in row:
        content = "\n".join(str(row.get(field)) for field in FIELDS)
        row["id"] = f"row-{hashlib.sha256(content.encode('utf-8', 'surrogatepass')).hexdigest()[:16]}"
    return row


def _body(log: JsonObject) -> JsonObject:
    for name in ("request", "body"):
        if isinstance(log.get(name), dict):
            return _body(log[name])
    return log


def _messages(log: JsonObject) -> list[Any] | None:
    messages = _body(log).get("messages")
    return messages if isinstance(messages, list) else None
