"""What an answer cites, and what it says in words of its own."""

from __future__ import annotations

from typing import Any

import pytest

from promptstill.answers.citing import (
    free_keys,
    free_text,
    refuses,
    unknown_citations,
    unsupported_facts,
)
from promptstill.answers.spec import AnswerSpec, Normalisation
from tests.project import TEXT_SCHEMA
from tests.promptstill.answers.grounded import INPUT, QUESTION, REFUSAL, SPEC
from tests.promptstill.answers.tasks import spec_of

WHOLE = INPUT + QUESTION


def cited(text: str, *citations: Any) -> dict[str, Any]:
    return {"answer": text, "citations": list(citations)}


@pytest.mark.parametrize(
    ("citations", "unknown"),
    [((), 0), ((1, 2), 0), ((1, 3), 1), ((0, -1, 99), 3), (("2", "[1]", True, None), 3), ((10**30,), 1)],
)
def test_citations_of_no_passage(citations: tuple[Any, ...], unknown: int) -> None:
    assert unknown_citations(cited("x", *citations), WHOLE, SPEC) == unknown


def test_facts_are_looked_up_in_the_cited_passages_only() -> None:
    answer = "Heron carries 24 bicycles from Dock Street on 5 days."
    assert unsupported_facts(cited(answer, 2), WHOLE, SPEC) == ["5"]
    assert unsupported_facts(cited(answer, 1), WHOLE, SPEC) == ["24", "5"]
    assert unsupported_facts(cited(answer, 7), WHOLE, SPEC) == ["24", "5"]


def test_a_refusal_needs_no_support() -> None:
    assert refuses(cited(REFUSAL), SPEC)
    assert unsupported_facts(cited(REFUSAL), WHOLE, SPEC) == []
    assert not refuses(cited("No, it is closed."), SPEC)


def test_free_texts_are_those_that_no_list_has() -> None:
    spec = spec_of(
        {"colour": {"enum": ["red"]}, "note": {"type": ["string", "null"]}, "n": {"type": "number"}}
    )
    assert free_keys(spec) == ("note",)
    assert free_text({"colour": "red", "note": "a b", "n": 1}, spec) == "a b"
    assert free_text({"colour": "red", "note": None, "n": 1}, spec) == ""
    assert free_keys(AnswerSpec(TEXT_SCHEMA, Normalisation(format="text"))) == ()
    assert free_text("a b", AnswerSpec({"type": "string"}, Normalisation(format="text"))) == "a b"


def test_a_task_without_citations_has_no_such_facts() -> None:
    with pytest.raises(ValueError, match="declares no citations"):
        unknown_citations({"colour": "red"}, WHOLE, spec_of({"colour": {"enum": ["red"]}}))
