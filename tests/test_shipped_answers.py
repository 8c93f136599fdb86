"""The shipped answers that cite passages, read by the shipped rules."""

from __future__ import annotations

import json

import pytest

from promptstill.answers.spec import AnswerSpec
from tests.project import REPOSITORY, read_lines

TASK = "grounded-answers"
SENTENCE = "I cannot answer from the given context."


@pytest.fixture
def spec(monkeypatch: pytest.MonkeyPatch) -> AnswerSpec:
    """The answers of the shipped task."""
    monkeypatch.chdir(REPOSITORY)
    return AnswerSpec.load(TASK)


def test_every_recorded_answer_is_read_as_it_is_and_none_for_a_refusal(spec: AnswerSpec) -> None:
    recorded = [line["response"] for line in read_lines(REPOSITORY / f"data/recorded/{TASK}.jsonl")]
    assert len(recorded) == 2 * (875 + 100)
    for reply in dict.fromkeys(recorded):
        parsed = spec.parse(reply)
        assert (parsed.answer, parsed.repairs) == (json.loads(reply), ()), reply
        refused = json.loads(reply)["answer"] == SENTENCE
        assert spec.label(json.loads(reply)) == ("refused" if refused else "answered")


@pytest.mark.parametrize(
    "sentence",
    [
        "I can't answer this from the context.",
        "I cannot answer the question.",
        "I am unable to answer that based on the given passages",
        "The context does not say.",
        "The passages don't answer the question.",
        "The provided context doesn't mention it.",
        "This cannot be answered from the given context.",
        "The answer is not in the context.",
        "Not stated in the passages.",
        "There is no information in the given context.",
        "I don't know.",
    ],
)
def test_a_refusal_in_other_words_becomes_the_sentence(spec: AnswerSpec, sentence: str) -> None:
    parsed = spec.parse(json.dumps({"answer": sentence, "citations": []}))
    assert parsed.answer == {"answer": SENTENCE, "citations": []}
    assert parsed.repairs == ("refusal_wording",)


def test_an_answer_with_a_refusal_beside_it_is_no_answer(spec: AnswerSpec) -> None:
    reply = {"answer": "The fee is $5; the passages do not say who collects it.", "citations": [1]}
    assert spec.parse(json.dumps(reply)).problem == "several_answers"
