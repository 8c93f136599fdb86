"""A made-up task whose answers cite numbered passages."""

from __future__ import annotations

from typing import Any

from promptstill.answers.spec import AnswerSpec, Normalisation
from tests.promptstill.answers.tasks import schema_of

REFUSAL = "I cannot answer from the given context."
PASSAGES = r"(?m)^\[(\d+)\] (.*)$"
SCHEMA = schema_of(
    {
        "answer": {"type": "string"},
        "citations": {"type": "array", "items": {"type": "integer"}, "uniqueItems": True},
    }
)
RULES: dict[str, Any] = {
    "format": "json",
    "label": {"labels": {"refused": {"answer": REFUSAL, "citations": []}}, "otherwise": "answered"},
    "scored": {"answer": "answer_same", "citations": "citations_same"},
    "refusal": {"text": REFUSAL, "key": "answer", "others": {"citations": []}},
    "citations": {"key": "citations", "passages": PASSAGES},
    "keys": {"answer": {"compare": "text", "same_from": 0.6}, "citations": {"compare": "set"}},
}
SPEC = AnswerSpec(SCHEMA, Normalisation.check(RULES, "here"))
INPUT = (
    "Page: Harbour Library\n"
    "[1] Mon-Wed 9:00-18:00; closed on Sundays and public holidays. A card costs $1,150.00.\n"
    "[2] The ferry Heron carries twenty-four bicycles from 1 May to 30 September 2026.\n"
    "Question: "
)
QUESTION = "When does the library on Dock Street open on 5 Mondays?"
