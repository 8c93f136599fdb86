"""Labels as the names of classes in metrics and tables. Tables are in Git, so a label that is somebody's text
stays out."""

from __future__ import annotations

from promptstill.answers.spec import AnswerSpec

INVALID = "(invalid)"
TEXT, OTHER_TEXT = "(text)", "(another text)"


def class_name(label: str, spec: AnswerSpec) -> str:
    """The label, or `(text)` if the schema leaves it open which texts a label can be."""
    return TEXT if spec.open_labels else label


def class_pair(truth: str, answer: str, spec: AnswerSpec) -> tuple[str, str]:
    """A true label and that of an answer; if labels are open, whether the answer is valid and right."""
    if not spec.open_labels:
        return truth, answer
    return TEXT, INVALID if answer == INVALID else TEXT if answer == truth else OTHER_TEXT
