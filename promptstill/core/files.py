"""Reading and writing JSONL, JSON and CSV. Errors name file and line; a write appears whole or not at all."""

from __future__ import annotations

import csv
import hashlib
import json
import math
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar, cast

from promptstill.console.errors import UserError

# A JSON object as it was read, before anything has checked it.
JsonObject = dict[str, Any]
R = TypeVar("R")
HALF_PAIR = "half of a surrogate pair, which UTF-8 cannot store; repair the text"


def read_lines(path: Path, made_by: str = "", shown_as: str = "") -> Iterator[tuple[int, JsonObject]]:
    """Yield `(line number, object)` for each line of a JSONL file, without blank lines.

    Raises UserError naming file (or `shown_as`) and line for bytes that are not UTF-8, text that is not JSON,
    numbers that are not finite, text that UTF-8 cannot store, and values that are not objects.
    """
    name = shown_as or str(path)
    if not path.exists():
        # The folder of a stage's file is named after the task.
        build = f"dvc repro {made_by}@{path.parent.name}"
        remedy = f"run `{build}` first" if made_by else "create it, or `dvc pull` it"
        raise UserError(f"{name}: no such file; {remedy}")
    with path.open("rb") as lines:
        for number, raw in enumerate(lines, start=1):
            if not raw.strip():
                continue
            try:
                # Some programs begin a file in UTF-8 with a byte order mark.
                text = raw.decode("utf-8-sig" if number == 1 else "utf-8")
                value = _DECODER.decode(text)
            except UnicodeDecodeError as error:
                raise UserError(
                    f"{name}:{number}: not UTF-8 (byte {error.start + 1}); save the file as UTF-8"
                ) from None
            except (ValueError, RecursionError) as error:
                raise UserError(f"{name}:{number}: not JSON ({error}); fix or remove the line") from None
            if _half_pair(text, value):
                raise UserError(f"{name}:{number}: {HALF_PAIR}")
            if not isinstance(value, dict):
                raise UserError(
                    f"{name}:{number}: not a JSON object but {type(value).__name__}; write one row per line"
                )
            yield number, value


def _half_pair(text: str, value: object) -> bool:
    """Whether a JSON text, which has this value, escapes half of a surrogate pair."""
    if "\\ud" not in text and "\\uD" not in text:
        return False
    try:
        compact_json(value).encode("utf-8")
    except UnicodeEncodeError:
        return True
    return False


def iter_rows(path: Path, kind: type[R], made_by: str = "") -> Iterator[R]:
    """The rows of a JSONL file that a stage wrote, one at a time.

    `kind` is the type of the rows, which the stage that wrote them has checked. `made_by` names that stage in
    the error for a missing file.
    """
    return (cast(R, row) for _, row in read_lines(path, made_by))


def read_rows(path: Path, kind: type[R], made_by: str = "") -> list[R]:
    """All rows of such a file."""
    return list(iter_rows(path, kind, made_by))


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`, which is moved to `path` if the block succeeds, else removed.

    This works for a file and for a folder. The content is flushed to disk before the move, so a crash leaves
    either the old content or the new.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    for remains in path.parent.glob(f".{path.name}.*.partial"):
        if not _alive(int(remains.name.split(".")[-2])):
            _remove(remains)
    partial = path.parent / f".{path.name}.{os.getpid()}.partial"
    try:
        yield partial
        for written in (
            [partial] if partial.is_file() else sorted(p for p in partial.rglob("*") if p.is_file())
        ):
            with written.open("rb") as handle:
                os.fsync(handle.fileno())
        if path.is_dir():
            shutil.rmtree(path)
        partial.replace(path)
    finally:
        _remove(partial)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return process != os.getpid()


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def write_rows(path: Path, rows: Iterable[Mapping[str, object]]) -> int:
    """Write one compact JSON object per line, in UTF-8 and in the order given. Returns the number of rows.

    Raises ValueError for a number that is not finite.
    """
    count = 0
    with replacing(path) as partial, partial.open("w", encoding="utf-8") as lines:
        for row in rows:
            lines.write(compact_json(row) + "\n")
            count += 1
    return count


def write_json(path: Path, value: Mapping[str, object]) -> None:
    """Write indented JSON, which reads well in `git diff`.

    Raises ValueError for a number that is not finite.
    """
    with replacing(path) as partial:
        partial.write_text(_INDENTED.encode(value) + "\n", encoding="utf-8")


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a small table. Text that a spreadsheet would evaluate as a formula gets a leading quote.

    Raises ValueError for a number that is not finite.
    """
    with replacing(path) as partial, partial.open("w", encoding="utf-8", newline="") as lines:
        table = csv.writer(lines, lineterminator="\n")
        table.writerow(columns)
        for row in rows:
            table.writerow([_inert(cell) for cell in row])


def _inert(cell: object) -> object:
    if isinstance(cell, float) and not math.isfinite(cell):
        raise ValueError(f"{cell} has no place in a table")
    return f"'{cell}" if isinstance(cell, str) and cell[:1] in ("=", "+", "-", "@", "\t", "\r") else cell


def read_json(path: Path) -> Any:  # noqa: ANN401
    """A JSON document that a person or a stage wrote."""
    if not path.exists():
        raise UserError(f"{path}: no such file; create it, or `dvc pull` it")
    try:
        text = path.read_text(encoding="utf-8-sig")
        value = _DECODER.decode(text)
    except UnicodeDecodeError:
        raise UserError(f"{path}: not UTF-8; save the file as UTF-8") from None
    except json.JSONDecodeError as error:
        raise UserError(f"{path}:{error.lineno}: not JSON ({error.msg}); fix the line") from None
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: not JSON ({error}); fix the file") from None
    if _half_pair(text, value):
        raise UserError(f"{path}: {HALF_PAIR}")
    return value


def read_text(path: Path) -> str:
    """A text file that a person wrote."""
    if not path.exists():
        raise UserError(f"{path}: no such file; create it")
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise UserError(f"{path}: not UTF-8; save the file as UTF-8") from None


def file_hash(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def _finite(number: str) -> float:
    """A number of JSON, which has no NaN and no Infinity; `1e999` is written as JSON and read as infinity."""
    value = float(number)
    if not math.isfinite(value):
        raise ValueError(f"{number[:20]} is not a finite number")
    return value


# Encoders and decoders are created once: creating one takes as long as encoding a row. JSON has no NaN and
# no Infinity, at which the readers of other projects stop. More than 4,300 digits are a ValueError too.
_DECODER = json.JSONDecoder(parse_float=_finite, parse_constant=_finite)
_COMPACT = json.JSONEncoder(ensure_ascii=False, allow_nan=False)
_INDENTED = json.JSONEncoder(ensure_ascii=False, indent=2, allow_nan=False)
_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def compact_json(value: object) -> str:
    """A JSON value on one line, in the form in which rows are written."""
    return _COMPACT.encode(value)


def canonical_json(value: object) -> str:
    """A JSON value in canonical form: sorted keys, no spaces."""
    return _CANONICAL.encode(value)


def canonical_hash(value: object) -> str:
    """SHA-256 of a JSON value in canonical form and UTF-8, in hexadecimal."""
    return hashlib.sha256(canonical_json(value).encode("utf-8")).hexdigest()
