"""Whether the rows that ingest wrote are those that it would write now."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from promptstill.core.files import iter_rows, read_lines
from promptstill.core.paths import PARAMS, golden_file, out, traffic_file
from promptstill.core.settings import read_yaml
from promptstill.rows.row import IngestedCase, IngestedRow
from stages.ingest.params import IngestParams

LOCK = Path("dvc.lock")


def stale(task: str) -> list[str]:
    """What has changed since ingest ran, one text for each input of it; empty if nothing is known to have.

    DVC's lock says whether a file or the params are those of the last run. Rows that came or went are counted
    by their ids, which folded repeats keep; inputs that ingest drops as too long are left out. Raises
    UserError if ingest has not run, or if a file is broken.
    """
    locked = _locked(task)
    before = locked.get("params", {}).get(str(PARAMS), {}).get(f"{task}.ingest")
    parts = []
    if before is not None and before != (read_yaml(PARAMS).get(task) or {}).get("ingest"):
        parts.append(f"{PARAMS}: {task}.ingest has other values")
    hashes = {Path(dep["path"]): dep.get("md5") for dep in locked.get("deps", [])}
    for path, ids in ((traffic_file(task), _row_ids), (golden_file(task), _case_ids)):
        if not path.exists() or hashes.get(path) != _md5(path):
            longest = IngestParams.load(task).max_chars
            parts += _difference(path, set(ids(task)), path in hashes, longest)
    return parts


def print_stale(task: str, remedy: str) -> None:
    """Print what has changed since ingest ran, with the remedy; nothing if nothing is known to have."""
    if changed := stale(task):
        print(f"ingest is older than its inputs: {'; '.join(changed)}")
        print(f"what is shown leaves that out; {remedy}")


def _locked(task: str) -> dict[str, Any]:
    """What DVC recorded about the last run of ingest; empty if there was none."""
    document = read_yaml(LOCK) if LOCK.exists() else None
    stages = document.get("stages", {}) if isinstance(document, dict) else {}
    return dict(stages.get(f"ingest@{task}") or {})


def _difference(path: Path, ingested: set[str], is_locked: bool, longest: int) -> list[str]:
    now = {str(line.get("id")) for _, line in read_lines(path) if len(str(line.get("input"))) <= longest}
    new, gone = len(now - ingested), len(ingested - now)
    if new or gone:
        counts = [f"{count} {what}" for count, what in ((new, "new rows"), (gone, "rows less")) if count]
        return [f"{path} has {' and '.join(counts)}"]
    return [f"{path} has other content"] if is_locked else []


def _row_ids(task: str) -> Iterator[str]:
    for row in iter_rows(out("ingest", task), IngestedRow, "ingest"):
        yield row["id"]
        yield from (repeat["id"] for repeat in row["repeats"])


def _case_ids(task: str) -> Iterator[str]:
    return (case["id"] for case in iter_rows(out("ingest", task, "golden"), IngestedCase, "ingest"))


def _md5(path: Path) -> str:
    """The hash by which DVC knows a file."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
