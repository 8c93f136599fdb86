"""`still import`: rows of a file, checked and without names of accounts, appended to
`data/traffic/<task>.jsonl`."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from promptstill.console.errors import UserError
from promptstill.core.append import append_rows, appending
from promptstill.core.files import JsonObject, read_lines
from promptstill.core.paths import traffic_file
from promptstill.core.settings import require_task
from promptstill.rows.origin import KINDS
from promptstill.rows.pseudonym import is_personal, keyed_hash, pseudonym
from promptstill.rows.row import TrafficRow
from stages.ingest.contract import FIELDS, check_rows
from still.import_formats import read_rows_of
from still.import_key import import_key


def import_rows(
    task: str,
    source: Path,
    source_format: str,
    columns: list[str],
    timestamp: str,
    origin: str,
    shown: str = "",
) -> None:
    """Append the rows of `source` that the traffic does not have yet; `shown` is its name in messages.

    Nothing is written unless every row meets the row contract. A row without an id gets one from its content,
    so importing a file twice adds nothing.
    """
    require_task(task)
    shown = shown or str(source)
    numbered = read_rows_of(task, source, shown, source_format, columns)
    key = import_key()
    new = check_rows(completed(numbered, shown, timestamp, origin, key), Path(shown))
    target = traffic_file(task)
    with appending(target) as cut:
        if cut:
            print(f"{target}: removed half a line ({cut} bytes) at the end, which a killed import left")
        old = list(known_rows(target, new, shown))
        ids = {row["id"] for row in old}
        added = [row for row in new if row["id"] not in ids]
        append_rows(target, added)
    there = f" ({len(ids)} were there already)" if ids else ""
    print(f"{len(added)} rows appended to {target}{there}; run `dvc repro`")
    warning = git_warning(target)
    if warning:
        print(warning, file=sys.stderr)


def completed(
    numbered: Iterator[tuple[int, JsonObject]], shown: str, timestamp: str, origin: str, key: bytes
) -> Iterator[tuple[int, JsonObject]]:
    """The rows with the defaults of the command line, with hashes as links, and with an id.

    An id in the file stays unless it holds personal data. Rows of the same content get different ids.
    """
    times: Counter[str] = Counter()
    given = {"timestamp": timestamp, "source": origin}
    defaults = {field: value for field, value in given.items() if value}
    for number, row in numbered:
        row = {field: value for field, value in row.items() if value is not None}
        row = {**defaults, **row}
        if "timestamp" not in row:
            raise UserError(
                f"{shown}:{number}: `timestamp` is missing; add it, name its field with "
                "--column timestamp=NAME, or give one for all rows with --timestamp"
            )
        row |= {kind: pseudonym(row[kind], kind, key) for kind in KINDS if isinstance(row.get(kind), str)}
        if "id" not in row:
            content = "\n".join(repr(row.get(field)) for field in FIELDS)
            times[content] += 1
            row["id"] = f"row-{keyed_hash(content + str(times[content]), 'content', key)}"
        elif isinstance(row["id"], str) and is_personal(row["id"]):
            row["id"] = f"row-{keyed_hash(row['id'], 'id', key)}"
        yield number, row


def known_rows(target: Path, new: list[TrafficRow], shown: str) -> Iterator[TrafficRow]:
    """The new rows that the traffic already has. Raises UserError if a row there has the id of another."""
    by_id = {row["id"]: row for row in new}
    for number, raw in read_lines(target) if target.exists() else ():
        row = by_id.get(str(raw.get("id")))
        if row is None:
            continue
        (old,) = check_rows([(number, raw)], target)
        if old != row:
            raise UserError(
                f"{shown}: id {row['id']!r} is already in {target}, with other content; give the new row an "
                "id of its own, or, if that file was imported without this key, move it away and import it"
            )
        yield row


def git_warning(target: Path) -> str:
    """What to do if Git would store the texts of a traffic file; empty if DVC has it or Git ignores it."""
    if shutil.which("git") is None or target.with_name(f"{target.name}.dvc").exists():
        return ""
    # 0: ignored; 1: not ignored; 128: no repository.
    if (
        subprocess.run(
            ["git", "check-ignore", "-q", str(target)], capture_output=True, check=False
        ).returncode
        != 1
    ):
        return ""
    tracked = subprocess.run(
        ["git", "ls-files", "--error-unmatch", str(target)], capture_output=True, check=False
    )
    first = f"`git rm --cached {target}`, then " if tracked.returncode == 0 else ""
    return f"warning: Git would store the texts in {target}; run {first}`dvc add {target}` (docs/traffic.md)"
