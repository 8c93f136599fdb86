"""Whether the answers of two rows contradict each other, where answers may cite parts of their own input."""

from __future__ import annotations

from collections.abc import Callable

from promptstill.answers.schema.compare import contradiction
from promptstill.answers.schema.form import AnswerForm
from promptstill.answers.schema.passages import number_of, passages
from promptstill.answers.schema.rules import Citations
from promptstill.rows.row import Answer, KeptRow

# Whether the answers of two rows contradict each other by what they say beside the label.
RowsDiffer = Callable[[KeptRow, KeptRow], bool]


def differing(spec: AnswerForm) -> RowsDiffer:
    """A function that says whether the answers of two rows differ in one of the deciding keys."""
    differ, citations = contradiction(spec), spec.rules.citations
    if citations is None:
        return lambda left, right: differ(left["answer"], right["answer"])
    return lambda left, right: differ(by_passage(left, citations), by_passage(right, citations))


def by_passage(row: KeptRow, citations: Citations) -> Answer:
    """The row's answer, with the texts of the passages that it cites in place of their numbers.

    Two rows may have the same passages in another order, and then the same number means something else. A
    number without a passage stays.
    """
    answer = row["answer"]
    cited = None if isinstance(answer, str) else answer.get(citations.key)
    if isinstance(answer, str) or not isinstance(cited, list):
        return answer
    texts = passages(row["input"], citations.passages)
    return {**answer, citations.key: [texts.get(number_of(item), item) for item in cited]}
