"""The columns that a suite may name: rows in, a table out.

Some columns are there for every task. Others come from the schema of its answers and from what
`normalise.yaml` declares. A column is computed only if the suite names it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import pandas as pd

from promptstill.answers.citing import free_keys, free_text, unknown_citations, unsupported_facts
from promptstill.answers.schema.shape import shape_of
from promptstill.answers.sentences import sentences, words
from promptstill.answers.spec import AnswerSpec
from promptstill.core.files import canonical_json
from promptstill.rows.row import Answer, AnsweredRow

# The type of a column is fixed, so that it does not depend on the rows that are judged together.
TEXT, NUMBER, COUNT = "str", "float64", "int64"
NUMBERS = frozenset({"integer", "number"})


class Column(NamedTuple):
    """The type of a column, and its value for a row and the text of the row's answer."""

    kind: str
    value: Callable[[AnsweredRow, str | None], Any]


def _reply(row: AnsweredRow, _: str | None) -> str | None:
    """The reply that is the answer; the first one if none is."""
    wanted = row["answer_sample"]
    replies = (s["response"] for s in row["samples"] if wanted is None or s["sample"] == wanted)
    return next(replies, None)


def _any_reply(row: AnsweredRow, _: str | None) -> str:
    return "\n".join(sample["response"] for sample in row["samples"])


# Without a valid sample there is nothing that could agree. A row that the teacher did not grade has no score.
COLUMNS: dict[str, Column] = {
    "input": Column(TEXT, lambda row, _: row["input"]),
    "input_chars": Column(COUNT, lambda row, _: len(row["input"])),
    "source": Column(TEXT, lambda row, _: row["source"]),
    "reply": Column(TEXT, _reply),
    "any_reply": Column(TEXT, _any_reply),
    "answer": Column(TEXT, lambda _, text: text),
    "answer_chars": Column(NUMBER, lambda _, text: None if text is None else len(text)),
    "exchange": Column(TEXT, lambda row, text: None if text is None else f"{row['input']}\n{text}"),
    "label": Column(TEXT, lambda row, _: row["label"]),
    "confidence": Column(NUMBER, lambda row, _: row["confidence"]),
    "samples": Column(COUNT, lambda row, _: len(row["samples"])),
    "valid_samples": Column(COUNT, lambda row, _: row["valid_samples"]),
    "agreement": Column(NUMBER, lambda row, _: row["agreement"] if row["valid_samples"] else None),
    "dissent": Column(COUNT, lambda row, _: row["dissent"]),
    "repairs": Column(COUNT, lambda row, _: len(row["repairs"])),
    "problem": Column(TEXT, lambda row, _: row["problem"]),
    "score": Column(NUMBER, lambda row, _: row.get("score")),
}
# Their value needs the answer as text, which takes time.
OF_TEXT = frozenset({"answer", "answer_chars", "exchange"})


def columns_of(spec: AnswerSpec) -> dict[str, Column]:
    """All columns that the suite of a task may name."""
    return COLUMNS | dict(_of_schema(spec)) | dict(_of_declarations(spec))


def frame(
    rows: Sequence[AnsweredRow], columns: Mapping[str, Column], spec: AnswerSpec, names: Collection[str]
) -> pd.DataFrame:
    """A table of the rows with the columns `names`. Values that a row lacks are null; a null passes every
    expectation about rows."""
    with_text = OF_TEXT.intersection(names)
    texts = [spec.text(row["answer"]) if with_text and row["answer"] is not None else None for row in rows]
    table = {
        name: pd.Series(
            [columns[name].value(row, text) for row, text in zip(rows, texts, strict=True)],
            dtype=columns[name].kind,
        )
        for name in names
    }
    return pd.DataFrame(table, index=pd.RangeIndex(len(rows)))


def _of_schema(spec: AnswerSpec) -> Iterator[tuple[str, Column]]:
    """A column for each property of an answer: a number, the length of a list, or a text."""
    for key, node in spec.schema.get("properties", {}).items():
        types = (shape_of(node, spec.schema).types or frozenset({"string"})) - {"null"}
        if types == {"array"}:
            yield f"answer.{key}.count", _of_answer(NUMBER, partial(_count, key=key))
        elif types and types <= NUMBERS:
            yield f"answer.{key}", _of_answer(NUMBER, partial(_property, key=key))
        else:
            yield f"answer.{key}", _of_answer(TEXT, partial(_written, key=key))


def _of_declarations(spec: AnswerSpec) -> Iterator[tuple[str, Column]]:
    """Columns about the model's own words and about what an answer cites."""
    if free_keys(spec):
        yield "words", _of_answer(NUMBER, lambda answer, _: words(free_text(answer, spec)))
        yield "sentences", _of_answer(NUMBER, lambda answer, _: len(sentences(free_text(answer, spec))))
    if spec.rules.citations is not None:
        yield "citations_unknown", _of_answer(NUMBER, partial(unknown_citations, spec=spec))
        yield (
            "unsupported",
            _of_answer(NUMBER, lambda answer, text: len(unsupported_facts(answer, text, spec))),
        )


def _of_answer(kind: str, value: Callable[[Answer, str], Any]) -> Column:
    """A column whose value is computed from the answer and the input; null without an answer."""
    return Column(kind, lambda row, _: None if row["answer"] is None else value(row["answer"], row["input"]))


def _property(answer: Answer, _: str, key: str) -> Any:  # noqa: ANN401
    return None if isinstance(answer, str) else answer.get(key)


def _count(answer: Answer, _: str, key: str) -> int | None:
    listed = _property(answer, _, key)
    return None if listed is None else len(listed)


def _written(answer: Answer, _: str, key: str) -> str | None:
    """The text at a key; another value as JSON, so that `true` is the text `true`."""
    value = _property(answer, _, key)
    return value if value is None or isinstance(value, str) else canonical_json(value)
