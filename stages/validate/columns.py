"""The columns that a suite may name: rows in, a table out."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

import pandas as pd

from promptstill.answers.spec import AnswerSpec
from promptstill.rows.row import AnsweredRow

# The type of a column is fixed, so that it does not depend on the rows that are judged together.
TEXT, NUMBER, COUNT = "str", "float64", "int64"

Value = Callable[[AnsweredRow, str | None], Any]


def _reply(row: AnsweredRow, _: str | None) -> str | None:
    """The reply that is the answer; the first one if none is."""
    wanted = row["answer_sample"]
    replies = (s["response"] for s in row["samples"] if wanted is None or s["sample"] == wanted)
    return next(replies, None)


def _any_reply(row: AnsweredRow, _: str | None) -> str:
    return "\n".join(sample["response"] for sample in row["samples"])


# Without a valid sample there is nothing that could agree. A row that the teacher did not grade has no score.
COLUMNS: dict[str, tuple[str, Value]] = {
    "input": (TEXT, lambda row, _: row["input"]),
    "input_chars": (COUNT, lambda row, _: len(row["input"])),
    "source": (TEXT, lambda row, _: row["source"]),
    "reply": (TEXT, _reply),
    "any_reply": (TEXT, _any_reply),
    "answer": (TEXT, lambda _, text: text),
    "answer_chars": (NUMBER, lambda _, text: None if text is None else len(text)),
    "label": (TEXT, lambda row, _: row["label"]),
    "confidence": (NUMBER, lambda row, _: row["confidence"]),
    "samples": (COUNT, lambda row, _: len(row["samples"])),
    "valid_samples": (COUNT, lambda row, _: row["valid_samples"]),
    "agreement": (NUMBER, lambda row, _: row["agreement"] if row["valid_samples"] else None),
    "dissent": (COUNT, lambda row, _: row["dissent"]),
    "repairs": (COUNT, lambda row, _: len(row["repairs"])),
    "problem": (TEXT, lambda row, _: row["problem"]),
    "score": (NUMBER, lambda row, _: row.get("score")),
}


def frame(rows: Sequence[AnsweredRow], spec: AnswerSpec, names: Collection[str]) -> pd.DataFrame:
    """A table of the rows with the columns `names`. Values that a row lacks are null; a null passes every
    expectation about rows."""
    with_text = {"answer", "answer_chars"} & set(names)
    texts = [spec.text(row["answer"]) if with_text and row["answer"] is not None else None for row in rows]
    columns = {}
    for name in names:
        kind, value = COLUMNS[name]
        columns[name] = pd.Series(
            [value(row, text) for row, text in zip(rows, texts, strict=True)], dtype=kind
        )
    return pd.DataFrame(columns, index=pd.RangeIndex(len(rows)))
