"""Answers recorded earlier, read before the journal: `data/recorded/<task>.jsonl`."""

from __future__ import annotations

from pathlib import Path

from stages.generate.journal import Record
from stages.shared.errors import UserError
from stages.shared.files import read_lines

FIELDS = ("response", "finish_reason", "model", "recorded_at", "prompt_tokens", "completion_tokens")


def read_recorded(path: Path) -> dict[str, Record]:
    """Records by request key; an absent file holds none. Raises UserError for a line without `key` or
    `response`."""
    records: dict[str, Record] = {}
    if not path.exists():
        return records
    for number, line in read_lines(path):
        for name in ("key", "response", "model", "recorded_at"):
            if not isinstance(line.get(name), str):
                raise UserError(
                    f"{path}:{number}: `{name}` is missing or not a string; restore the file from Git"
                )
        records.setdefault(line["key"], {name: line[name] for name in FIELDS if name in line})
    return records
