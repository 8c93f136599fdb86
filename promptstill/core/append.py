"""Appending rows to a JSONL file that people and other processes may append to as well."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from promptstill.core.files import compact_json, replacing
from promptstill.core.lock import locked

BLOCK = 1 << 16


@contextmanager
def appending(path: Path) -> Iterator[int]:
    """Hold the lock of a JSONL file, so that what is read inside the block is still true when rows are
    appended. A second process waits.

    Gives the number of bytes of a half-written last line, which a killed process left and which is cut off.
    A last line without a line break that is whole JSON gets its line break.
    """
    busy = f"{path}: process {{pid}} appends to this file; waiting for its end"
    with locked(path.with_name(f".{path.name}.lock"), busy):
        yield _end_last_line(path) if path.exists() else 0


def append_rows(path: Path, rows: Iterable[Mapping[str, object]]) -> None:
    """Append whole lines and flush them to disk; an error leaves the file as it was. Needs `appending`."""
    content = memoryview("".join(compact_json(row) + "\n" for row in rows).encode("utf-8"))
    _unlink(path)
    with path.open("ab", buffering=0) as lines:
        size = os.fstat(lines.fileno()).st_size
        try:
            while content:
                content = content[lines.write(content) :]
            os.fsync(lines.fileno())
        except BaseException:
            lines.truncate(size)
            raise


def _unlink(path: Path) -> None:
    """Give `path` bytes of its own if it is a link: DVC may link it to its cache, which must stay."""
    if path.is_symlink() or (path.exists() and path.stat().st_nlink > 1):
        with replacing(path) as partial:
            shutil.copyfile(path, partial)


def _end_last_line(path: Path) -> int:
    with path.open("rb") as lines:
        last, position = b"", lines.seek(0, os.SEEK_END)
        size = position
        while position and b"\n" not in last:
            step = min(BLOCK, position)
            position = lines.seek(position - step)
            last = lines.read(step) + last
            lines.seek(position)
    last = last.rpartition(b"\n")[2]
    if not last:
        return 0
    _unlink(path)
    if _is_json(last):
        with path.open("ab") as lines:
            lines.write(b"\n")
        return 0
    os.truncate(path, size - len(last))
    return len(last)


def _is_json(line: bytes) -> bool:
    try:
        json.loads(line.decode("utf-8"))
    except (ValueError, RecursionError):
        return False
    return True
