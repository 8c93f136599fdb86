"""`still predict`: new rows in, the student's answers out, through the same redaction and the same parser as
in training."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from stages.ingest.params import IngestParams
from stages.shared.answers import AnswerSpec
from stages.shared.errors import UserError
from stages.shared.files import Row, read_lines, replacing
from stages.shared.paths import model_dir
from stages.shared.redact import redact
from stages.shared.student import student_of


def predict_rows(task: str, source: str, target: str) -> None:
    """Write one line a row, in the order of the input: `id`, `answer` (null where the parser finds none),
    `confidence`.

    Raises UserError for a missing model, a model of another answer schema, and rows without `id` and `input`.
    """
    params = IngestParams.load(task)
    spec = AnswerSpec.load(task)
    student = student_of(task, spec)
    rows = checked(source)
    texts = [redact(row["input"], params.redact, params.phone_regions)[0] for row in rows]

    from stages.shared.student import answer, load_base, load_tokenizer, with_adapter

    model = with_adapter(load_base(student["base"]), model_dir(task))
    tokenizer = load_tokenizer(student["base"])
    replies = answer(texts, model, tokenizer, student["max_input_tokens"], student["max_answer_tokens"])
    lines = "".join(
        json.dumps(
            {"id": row["id"], "answer": spec.parse(reply.text).answer, "confidence": reply.confidence},
            ensure_ascii=False,
        )
        + "\n"
        for row, reply in zip(rows, replies, strict=True)
    )
    if target == "-":
        sys.stdout.write(lines)
    else:
        with replacing(Path(target)) as partial:
            partial.write_text(lines, encoding="utf-8")


def checked(source: str) -> list[Row]:
    """Rows with `id` and `input`, both strings. Raises UserError naming file and line."""
    name = "standard input" if source == "-" else source
    numbered = read_lines(Path("/dev/stdin" if source == "-" else source), shown_as=name)
    rows = []
    for number, row in numbered:
        for field in ("id", "input"):
            value: Any = row.get(field)
            if not isinstance(value, str):
                raise UserError(f"{name}:{number}: `{field}` is missing or not a string; add it")
        rows.append(row)
    if not rows:
        raise UserError(f'{name}: no rows; give one {{"id": ..., "input": ...}} a line')
    return rows
