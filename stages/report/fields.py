"""The fields of a row of the dataset, from the types in `promptstill/rows/row.py`."""

from __future__ import annotations

import types
from dataclasses import dataclass
from typing import Any, Literal, NotRequired, Union, get_args, get_origin, is_typeddict

from typing_extensions import ReadOnly, get_type_hints

from promptstill.rows.row import SplitRow

# The stage that adds a field, and its meaning. A field without an entry is a KeyError.
MEANINGS = {
    "id": ("traffic", "identity of the row"),
    "input": ("traffic", "the text, with personal data and secrets replaced by placeholders"),
    "source": ("traffic", "the channel that the text came through"),
    "account": ("traffic", "who wrote it; rows of an account are in one split"),
    "thread": ("traffic", "its conversation; rows of a thread are in one split"),
    "document": ("traffic", "the document it is from; rows of a document are in one split"),
    "translation_group": ("traffic", "what it is a translation of; translations are in one split"),
    "timestamp": ("traffic", "when it was received, ISO 8601 in UTC"),
    "tags": ("traffic", "words that the traffic carries about the row"),
    "repeats": ("ingest", "origins of exact repeats, which are folded into this row"),
    "slices": ("ingest", "names of the slices that hold for the row"),
    "samples": ("generate", "the teacher's replies"),
    "teacher": ("generate", "who was asked, under which prompt, schema and settings, and when"),
    "score": ("validate", "the teacher's own grade, if it was asked for one"),
    "answer": ("validate", "the answer in canonical form"),
    "label": ("validate", "the class that the answer names"),
    "confidence": ("validate", "the confidence stated in the answer, from 0 to 1, if the task asks for one"),
    "agreement": ("validate", "share of the valid samples that agree with this answer"),
    "valid_samples": ("validate", "number of samples that parse"),
    "dissent": ("validate", "number of valid samples that contradict this answer"),
    "answer_sample": ("validate", "the sample whose reply is this answer"),
    "repairs": ("validate", "what reading that reply needed"),
    "problem": ("validate", "why the first reply is no answer, if none is"),
    "problem_detail": ("validate", "the problem in words"),
    "review": ("validate", "a person's decision"),
    "edited": ("validate", "whether a person wrote the answer"),
    "status": ("validate", "kept, for every row of the dataset"),
    "reasons": ("validate", "all reasons for the status"),
    "group": ("dedupe", "id of the row that represents the near-duplicates"),
    "nearest": ("dedupe", "the most similar near row, with the similarity of meaning and of text"),
    "linked": ("dedupe", "origins of the near-duplicates that this row represents"),
    "hard": ("split", "hard slices that hold for the row"),
    "difficulty": ("split", "difficulty from 0 to 1"),
    "component": ("split", "id of the earliest row among all rows that must stay in one split"),
    "split": ("split", "the split that the row is in"),
    "split_reason": ("split", "why it is there"),
    "messages": ("split", "input and answer as chat, without the teacher's prompt"),
}


@dataclass(frozen=True)
class Field:
    """One field of a row."""

    name: str
    type: str
    added_by: str
    meaning: str


def row_fields() -> list[Field]:
    """The fields of `SplitRow` in the order of the stages that add them."""
    hints = get_type_hints(SplitRow, include_extras=True)
    return [Field(name, type_text(kind), *MEANINGS[name]) for name, kind in hints.items()]


def type_text(kind: Any) -> str:  # noqa: ANN401
    """A type in words: `text or null`, `list of {id, source}`, `"kept" or "review"`."""
    origin, arguments = get_origin(kind), get_args(kind)
    if is_typeddict(kind):
        return f"{{{', '.join(get_type_hints(kind))}}}"
    if origin is ReadOnly:
        return type_text(arguments[0])
    if origin is NotRequired:
        return f"{type_text(arguments[0])}, may be missing"
    if origin in (Union, types.UnionType):
        return " or ".join(type_text(argument) for argument in arguments)
    if origin is Literal:
        return " or ".join(f'"{argument}"' for argument in arguments)
    if origin is list:
        return f"list of {type_text(arguments[0])}"
    if origin is dict:
        return "object"
    return {str: "text", float: "number", int: "integer", bool: "true or false", type(None): "null"}[kind]
