"""Files of other tools as cells by name: CSV, tasks of Label Studio, records of Argilla."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from promptstill.console.errors import UserError
from promptstill.core.files import read_json, replacing

# What tells about a row, and what a person fills in.
ABOUT = ("input_hash", "id", "input", "reasons", "slices", "samples", "answer", "decided_at")
FILLED = ("decision", "corrected_answer", "note")
COLUMNS = (*ABOUT, *FILLED, "reviewer")
NEEDED = ("input_hash", "answer", "decided_at")
# Cells that a spreadsheet computes begin like this. One ' before them keeps it from that.
COMPUTED = ("=", "+", "-", "@", "\t", "\r")
LONGEST_CELL = 10_000_000
Cells = Mapping[str, str]
Numbered = Iterator[tuple[int, Cells]]


@dataclass(frozen=True)
class Format:
    """How a tool's files are written and read. `read` gives the number of each line or item."""

    write: Callable[[Path, Sequence[Cells]], None]
    read: Callable[[Path], Numbered]


def _write_csv(target: Path, rows: Sequence[Cells]) -> None:
    with replacing(target) as partial, partial.open("w", encoding="utf-8", newline="") as lines:
        table = csv.writer(lines, quoting=csv.QUOTE_ALL)
        table.writerow(COLUMNS)
        for row in rows:
            cells = (row[name] for name in COLUMNS)
            table.writerow(f"'{cell}" if _computed(cell) else cell for cell in cells)


def _read_csv(source: Path) -> Numbered:
    csv.field_size_limit(LONGEST_CELL)
    try:
        with source.open(encoding="utf-8-sig", newline="") as lines:
            table = csv.DictReader(lines, strict=True)
            _refuse(table.fieldnames or (), COLUMNS, (*NEEDED, *FILLED), str(source))
            for row in table:
                if None in row or None in row.values():
                    raise UserError(
                        f"{source}:{table.line_num}: not as many cells as columns; correct the line"
                    )
                texts = {
                    name: cell[1:] if cell.startswith("'") and _computed(cell) else cell
                    for name, cell in row.items()
                }
                yield table.line_num, _complete(texts)
    except csv.Error as error:
        raise UserError(f"{source}: not CSV ({error}); correct the file") from None
    except UnicodeDecodeError:
        raise UserError(f"{source}: not UTF-8; save the file as UTF-8") from None


def _computed(cell: str) -> bool:
    """Whether a spreadsheet would compute a cell, or one that was kept from it."""
    return cell.lstrip("'").startswith(COMPUTED)


# https://labelstud.io/guide/export: the controls of the labelling interface are Choices `decision`, TextArea
# `corrected_answer` and TextArea `note`.
def _write_label_studio(target: Path, rows: Sequence[Cells]) -> None:
    _write_json(target, [_task(row) for row in rows])


def _task(row: Cells) -> dict[str, Any]:
    task: dict[str, Any] = {"data": {name: row[name] for name in ABOUT}}
    if row["decision"]:
        result = [
            {
                "from_name": name,
                "to_name": "input",
                "type": "choices" if name == "decision" else "textarea",
                "value": {"choices" if name == "decision" else "text": [row[name]]},
            }
            for name in FILLED
            if row[name]
        ]
        # Without `completed_by`, which must be somebody whom that server knows.
        task["annotations"] = [{"result": result}]
    return task


def _read_label_studio(source: Path) -> Numbered:
    for number, task in _items(source):
        where = f"{source}:{number}"
        data, annotations = task.get("data"), task.get("annotations") or []
        if not isinstance(data, dict) or not _objects(annotations):
            raise UserError(f"{where}: not a task of Label Studio with `data` and `annotations`; export JSON")
        _refuse(list(data), ABOUT, NEEDED, where)
        done = [annotation for annotation in annotations if not annotation.get("was_cancelled")]
        if len(done) > 1:
            raise UserError(f"{where}: {len(done)} annotations; keep one")
        for annotation in done:
            yield number, _complete({**data, **_annotated(annotation, where)})


def _annotated(annotation: Mapping[str, Any], where: str) -> dict[str, str]:
    cells: dict[str, str] = {}
    results = annotation.get("result") or []
    if not _objects(results):
        raise UserError(f"{where}: result: must be a list of objects; export JSON")
    _refuse([str(result.get("from_name")) for result in results], FILLED, (), where)
    for result in results:
        value = result.get("value")
        if not isinstance(value, dict):
            raise UserError(f"{where}: value of {result['from_name']}: must be an object; export JSON")
        texts = value.get("choices") or value.get("text") or [""]
        cells[result["from_name"]] = texts if isinstance(texts, str) else "\n".join(map(str, texts))
    who = annotation.get("completed_by")
    # Without an e-mail address there is only a number, which says nothing outside that server.
    return cells | {"reviewer": str(who.get("email") or "") if isinstance(who, dict) else ""}


# https://docs.argilla.io/latest/how_to_guides/import_export: what `Dataset.records.to_json` writes.
def _write_argilla(target: Path, rows: Sequence[Cells]) -> None:
    _write_json(target, [_record(row) for row in rows])


def _record(row: Cells) -> dict[str, Any]:
    return {
        "id": row["id"],
        "fields": {"input": row["input"]},
        # Responses need a user whom that server knows, so what was decided before is metadata.
        "metadata": {name: row[name] for name in COLUMNS if name not in ("id", "input") and row[name]},
        "suggestions": {"corrected_answer": {"value": row["answer"]}} if row["answer"] else {},
        "responses": {},
    }


def _read_argilla(source: Path) -> Numbered:
    for number, record in _items(source):
        where = f"{source}:{number}"
        metadata, responses = record.get("metadata"), record.get("responses") or {}
        if not isinstance(metadata, dict) or not isinstance(responses, dict):
            raise UserError(f"{where}: not a record of Argilla with `metadata` and `responses`; export JSON")
        _refuse(list(metadata), COLUMNS, ("input_hash",), where)
        _refuse(list(responses), FILLED, (), where)
        given = {name: answers or [] for name, answers in responses.items()}
        if not all(map(_objects, given.values())):
            raise UserError(f"{where}: responses: must be lists of objects; export JSON")
        users = {str(answer.get("user_id") or "") for answers in given.values() for answer in answers}
        if len(users) > 1 or any(len(answers) > 1 for answers in given.values()):
            raise UserError(f"{where}: responses of several people; keep those of one")
        if users:
            cells = {name: str(answers[0].get("value")) for name, answers in given.items() if answers}
            about = {name: value for name, value in metadata.items() if name in ABOUT}
            yield number, _complete({**about, **cells, "reviewer": _name(users.pop())})
        else:
            yield number, _complete(metadata)


def _name(user: str) -> str:
    """Who answered, unless it is only a number of that server."""
    try:
        UUID(user)
    except ValueError:
        return user
    return ""


def _complete(cells: Mapping[str, Any]) -> Cells:
    return {name: str(cells.get(name, "")) for name in COLUMNS}


def _refuse(names: Sequence[str], known: Sequence[str], needed: Sequence[str], where: str) -> None:
    """Raise UserError for unknown names, so that nothing is lost silently, and for missing ones."""
    if unknown := [str(name) for name in names if name not in known]:
        raise UserError(f"{where}: unknown columns {', '.join(unknown)}; remove or rename them")
    if missing := [name for name in needed if name not in names]:
        raise UserError(f"{where}: no columns {', '.join(missing)}; add them")


def _write_json(target: Path, items: Sequence[Mapping[str, Any]]) -> None:
    with replacing(target) as partial:
        partial.write_text(json.dumps(items, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def _items(source: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """The objects of a JSON list, counted from 1."""
    content = read_json(source)
    if not _objects(content):
        raise UserError(f"{source}: must be a list of objects; export it as JSON")
    yield from enumerate(content, start=1)


def _objects(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, dict) for item in value)


FORMATS = {
    "csv": Format(_write_csv, _read_csv),
    "label-studio": Format(_write_label_studio, _read_label_studio),
    "argilla": Format(_write_argilla, _read_argilla),
}
