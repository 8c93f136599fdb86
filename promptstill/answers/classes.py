"""Labels as the names of classes in metrics, which are in Git: a label that is somebody's text stays out."""

from __future__ import annotations

from typing import Any

from promptstill.answers.spec import AnswerSpec

INVALID = "(invalid)"
TEXT, OTHER_TEXT = "(text)", "(another text)"


def class_name(label: str, spec: AnswerSpec) -> str:
    """The label, or `(text)` if the schema leaves it open which texts a label can be."""
    return TEXT if open_labels(spec) else label


def class_pair(truth: str, answer: str, spec: AnswerSpec) -> tuple[str, str]:
    """A true label and that of an answer; if labels are open, whether the answer is valid and right."""
    if not open_labels(spec):
        return truth, answer
    return TEXT, INVALID if answer == INVALID else TEXT if answer == truth else OTHER_TEXT


def open_labels(spec: AnswerSpec) -> bool:
    """Whether the label can be any text: a string for which the schema has no list of values."""
    return _is_open(spec.schema["properties"][spec.rules.label] if spec.rules.label else spec.schema)


def _is_open(schema: dict[str, Any]) -> bool:
    if "enum" in schema or "const" in schema:
        return False
    for choice in ("anyOf", "oneOf"):
        if choice in schema:
            return any(_is_open(part) for part in schema[choice])
    kind = schema.get("type", "string")
    return "string" in ([kind] if isinstance(kind, str) else kind)
