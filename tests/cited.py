"""A task whose answers cite numbered passages of their input, or refuse."""

from __future__ import annotations

from promptstill.answers.spec import AnswerSpec
from promptstill.rows.row import Answer
from tests.promptstill.answers.tasks import spec_of

REFUSAL = "I do not know."
SPEC: AnswerSpec = spec_of(
    {"answer": {"type": "string"}, "cites": {"type": "array", "items": {"type": "integer"}}},
    label={"labels": {"refused": {"answer": REFUSAL, "cites": []}}, "otherwise": "answered"},
    scored={"answer": "answer", "cites": "cites"},
    keys={"answer": {"compare": "text", "same_from": 0.8}, "cites": {"compare": "set"}},
    refusal={"text": REFUSAL, "key": "answer", "others": {"cites": []}},
    citations={"key": "cites", "passages": r"(?m)^\[(\d+)\] (.*)$"},
)
REFUSED: Answer = {"answer": REFUSAL, "cites": []}


def asked(question: str, *passages: str) -> str:
    """An input: a title, numbered passages and a question."""
    numbered = "\n".join(f"[{number}] {text}" for number, text in enumerate(passages, 1))
    return f"Page: the pool\n{numbered}\nQuestion: {question}"


def cited(text: str, *numbers: int) -> Answer:
    """An answer."""
    return {"answer": text, "cites": list(numbers)}
