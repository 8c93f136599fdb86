"""eval: what a base answers where answers cite their input, with and without a prompt."""

from __future__ import annotations

import pytest

from promptstill.models.answering import Answerer
from promptstill.models.scoring import INPUT
from promptstill.models.student import load_tokenizer
from stages.eval.contestants import without_derived_label
from stages.eval.scores import Judged, confusion, label_table, scores
from tests.cited import REFUSED, SPEC, asked, cited
from tests.families import random_model

TEXTS = [
    asked(f"what does ticket {i} cost?", *[f"Ticket {j} costs ${j}." for j in range(i + 1)]) for i in range(4)
]


@pytest.mark.parametrize("prompt", [INPUT, f"Answer and cite.\n{INPUT}\nOne line."])
def test_a_base_answers_validly_or_is_cut_off_and_is_scored(tiny: str, prompt: str) -> None:
    form = without_derived_label(SPEC)
    base = Answerer(random_model("Llama", {}), load_tokenizer(tiny), form, (64, 12), prompt=prompt)
    assert [slot.key for slot in base.script.slots] == ["answer", "cites"]
    given = base.answer(TEXTS)
    assert len(given) == len(TEXTS)
    for answer in given:
        assert answer.answer is None if answer.cut_off else SPEC.validator.is_valid(answer.answer)
    truth = [REFUSED, *(cited(f"It costs ${i}.", i) for i in range(1, 4))]
    cases = [
        Judged(text, right, answer.answer, (), text)
        for text, right, answer in zip(TEXTS, truth, given, strict=True)
    ]
    metrics = scores(cases, SPEC, 0.95)
    assert metrics["valid"] == sum(not answer.cut_off for answer in given) / len(given)
    assert {line[0] for line in label_table(cases, SPEC, 0.95)} == {"answered", "refused"}
    assert {predicted for _, predicted in confusion(cases, SPEC)} <= {"answered", "refused", "(invalid)"}
