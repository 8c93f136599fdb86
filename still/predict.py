"""`still predict`: new rows in, the student's answers out, with the redaction and the parser of training."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from promptstill.answers.spec import AnswerSpec
from promptstill.console.errors import UserError
from promptstill.core.files import read_lines, replacing
from promptstill.core.paths import model_dir
from promptstill.models.student import student_of
from promptstill.rows.redact import redact
from promptstill.rows.row import Input
from stages.ingest.params import IngestParams


def predict_rows(task: str, source: str, target: str) -> None:
    """Write one line per row, in the order of the input: `id`, `answer` (null if the parser finds none) and
    `confidence`.

    Raises UserError for a missing model, a model of another answer schema, and rows without `id` and `input`.
    """
    params = IngestParams.load(task)
    spec = AnswerSpec.load(task)
    student = student_of(task, spec)
    rows = checked(source)
    texts = [redact(row["input"], params.redact, params.phone_regions)[0] for row in rows]

    from promptstill.models.student import load_base, student_tokenizer, with_adapter
    from stages.eval.replies import generate_replies

    model = with_adapter(load_base(student["base"]), model_dir(task))
    tokenizer = student_tokenizer(model_dir(task))
    limits = (student["max_input_tokens"], student["max_answer_tokens"])
    replies = generate_replies(texts, model, tokenizer, *limits)
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


def checked(source: str) -> list[Input]:
    """Rows with `id` and `input`, both strings. Raises UserError naming file and line."""
    name = "standard input" if source == "-" else source
    numbered = read_lines(Path("/dev/stdin" if source == "-" else source), shown_as=name)
    rows: list[Input] = []
    for number, row in numbered:
        for field in ("id", "input"):
            if not isinstance(row.get(field), str):
                raise UserError(f"{name}:{number}: `{field}` is missing or not a string; add it")
        rows.append({"id": row["id"], "input": row["input"]})
    if not rows:
        raise UserError(f'{name}: no rows; write one {{"id": ..., "input": ...}} per line')
    return rows
