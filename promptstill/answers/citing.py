"""What an answer says beside listed values, and whether the passages that it cites say the same."""

from __future__ import annotations

from promptstill.answers.grounding import unsupported
from promptstill.answers.schema.compare import value
from promptstill.answers.schema.form import AnswerForm
from promptstill.answers.schema.passages import number_of, outside, passages
from promptstill.answers.schema.rules import Citations
from promptstill.answers.schema.shape import shape_of
from promptstill.rows.row import Answer


def free_keys(spec: AnswerForm) -> tuple[str, ...]:
    """The keys beside the label that hold a text of the model's own, which no list has; the empty text for
    text answers."""
    if spec.rules.format == "text":
        return ("",) if shape_of(spec.schema, spec.schema).enum is None else ()
    shapes = {key: shape_of(node, spec.schema) for key, node in spec.schema.get("properties", {}).items()}
    return tuple(
        key
        for key, shape in shapes.items()
        if key != spec.label_key and shape.enum is None and shape.allows_text()
    )


def free_text(answer: Answer, spec: AnswerForm) -> str:
    """The texts of the model's own in an answer, one a line."""
    values = (value(answer, key) for key in free_keys(spec))
    return "\n".join(item for item in values if isinstance(item, str))


def refuses(answer: Answer, spec: AnswerForm) -> bool:
    """Whether an answer is the refusal."""
    refusal = spec.rules.refusal
    return refusal is not None and value(answer, refusal.key or "") == refusal.text


def unknown_citations(answer: Answer, text: str, spec: AnswerForm) -> int:
    """How many of the cited numbers are those of no passage of the input `text`."""
    citations = _citations(spec)
    numbered = passages(text, citations.passages)
    return sum(number not in numbered for number in cited_numbers(answer, citations.key))


def unsupported_facts(answer: Answer, text: str, spec: AnswerForm) -> list[str]:
    """The facts of an answer that occur in no passage of the input `text` that it cites; a refusal has none.

    Names may occur in what the input has beside its passages too.
    """
    if refuses(answer, spec):
        return []
    citations = _citations(spec)
    numbered = passages(text, citations.passages)
    cited = [numbered[number] for number in cited_numbers(answer, citations.key) if number in numbered]
    return unsupported(free_text(answer, spec), cited, outside(text, citations.passages))


def cited_numbers(answer: Answer, key: str) -> list[int]:
    """The cited numbers; anything else in the list is -1, which no passage has."""
    listed = value(answer, key)
    return [number_of(item) for item in listed] if isinstance(listed, list) else []


def _citations(spec: AnswerForm) -> Citations:
    if spec.rules.citations is None:
        raise ValueError("the task declares no citations")
    return spec.rules.citations
