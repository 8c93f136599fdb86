"""`still predict`: new rows in, the student's answers out, with the redaction of training.

Answers are written in blocks as they come. Those for a file go to `<file>.unfinished` first, whose first line
names the input and the student. A run that was killed goes on from there.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from itertools import islice
from pathlib import Path

from promptstill.answers.spec import AnswerSpec
from promptstill.console.errors import UserError
from promptstill.console.progress import progress
from promptstill.core.files import canonical_hash, compact_json, file_hash, read_lines, replacing
from promptstill.core.lock import locked
from promptstill.core.paths import model_dir
from promptstill.models.student import Student, student_file, student_of
from promptstill.rows.redact import redact
from promptstill.rows.row import Input
from stages.ingest.params import IngestParams

# Rows that are answered before their answers are written.
BLOCK = 480

# The answers to a block of inputs, as lines of the output.
Answers = Callable[[list[Input]], list[str]]


def predict_rows(task: str, source: str, target: str) -> None:
    """Write one line per row, in the order of the input: `id`, `answer` (null if it was cut off or breaks the
    schema), `confidence`, `confidences` and `cut_off`; see `promptstill.models.answering.StudentAnswer`.

    Raises UserError for a missing model, a model of another answer schema, and rows without `id` and `input`.
    """
    params = IngestParams.load(task)
    spec = AnswerSpec.load(task)
    student = student_of(task, spec)
    # Standard input cannot be read twice, so a bad row in it is met after the answers to earlier blocks.
    rows = 0 if source == "-" else sum(1 for _ in checked(source))
    answer = answerer(task, student, params, spec)
    if target == "-":
        answer_all(checked(source), answer, sys.stdout.write, rows)
        return
    read = "" if source == "-" else file_hash(Path(source))
    about = {
        "input": read,
        "student": file_hash(student_file(task)),
        "redaction": canonical_hash(params.model_dump(mode="json")),
    }
    with writing(Path(target)):
        finish(Path(target), about, source, answer, rows)


def answerer(task: str, student: Student, params: IngestParams, spec: AnswerSpec) -> Answers:
    """Load the student of a task."""
    from promptstill.models.answering import Answerer

    loaded = Answerer.load(model_dir(task), student, spec)

    def answer(rows: list[Input]) -> list[str]:
        texts = [redact(row["input"], params.redact, params.phone_regions)[0] for row in rows]
        return [
            json.dumps({"id": row["id"], **asdict(given)}, ensure_ascii=False)
            for row, given in zip(rows, loaded.answer(texts), strict=True)
        ]

    return answer


@contextmanager
def writing(target: Path) -> Iterator[None]:
    """Make the folder and keep other runs off the file. Raises UserError if one is writing it."""
    busy = f"{target}: process {{pid}} writes this file; wait for it, or name another"
    with locked(target.with_name(f".{target.name}.lock"), busy, wait=False):
        yield


def answer_all(
    rows: Iterator[Input], answer: Answers, write: Callable[[str], object], total: int, done: int = 0
) -> None:
    """Write the answers block by block. `total` is the number of rows, 0 if it is unknown, of which `done`
    are answered already."""
    with progress(total, "answering") as bar:
        bar.update(done)
        while block := list(islice(rows, BLOCK)):
            write("".join(line + "\n" for line in answer(block)))
            bar.update(len(block))


def finish(target: Path, about: dict[str, str], source: str, answer: Answers, total: int) -> None:
    """Answer what an earlier run over the same input with the same student left out, then put the file in
    place. `about` names both, and the redaction, by hashes; standard input has none."""
    unfinished = target.with_name(target.name + ".unfinished")
    done = answered_before(unfinished, about) if about["input"] else 0
    if done:
        print(f"{unfinished}: going on after {done} answers", file=sys.stderr)
    with unfinished.open("a" if done else "w", encoding="utf-8") as lines:
        if not done:
            lines.write(compact_json(about) + "\n")

        def write(text: str) -> None:
            lines.write(text)
            lines.flush()
            os.fsync(lines.fileno())

        answer_all(islice(checked(source), done, None), answer, write, total, done)
    put_in_place(unfinished, target)


def answered_before(unfinished: Path, about: dict[str, str]) -> int:
    """How many answers of this input and student are in the file; a last line that is not whole is cut."""
    if not unfinished.exists():
        return 0
    with unfinished.open("rb+") as lines:
        first = lines.readline()
        if first != (compact_json(about) + "\n").encode():
            return 0
        count = 0
        end = lines.tell()
        for line in lines:
            if not line.endswith(b"\n"):
                break
            count, end = count + 1, end + len(line)
        lines.truncate(end)
    return count


def put_in_place(unfinished: Path, target: Path) -> None:
    """Write the file without its first line under its name."""
    with (
        unfinished.open(encoding="utf-8") as lines,
        replacing(target) as partial,
        partial.open("w", encoding="utf-8") as out,
    ):
        out.writelines(islice(lines, 1, None))
    unfinished.unlink()


def checked(source: str) -> Iterator[Input]:
    """Rows with `id` and `input`, both strings. Raises UserError naming file and line."""
    name = "standard input" if source == "-" else source
    numbered = read_lines(Path("/dev/stdin" if source == "-" else source), shown_as=name)
    empty = True
    for number, row in numbered:
        for field in ("id", "input"):
            if not isinstance(row.get(field), str):
                raise UserError(f"{name}:{number}: `{field}` is missing or not a string; add it")
        empty = False
        yield {"id": row["id"], "input": row["input"]}
    if empty:
        raise UserError(f'{name}: no rows; write one {{"id": ..., "input": ...}} per line')
