"""train: a student whose answers are text, with a label that is derived from them."""

from __future__ import annotations

from pathlib import Path

from promptstill.answers.schema.script import LABEL
from promptstill.answers.spec import AnswerSpec, Normalisation
from promptstill.rows.row import Answer
from stages.train.checkpoint import Checkpoint
from stages.train.fit import fit
from tests.params import train_params
from tests.rows import split_row

REFUSED = {"answer": "No idea.", "pages": []}
SPEC = AnswerSpec(
    {
        "type": "object",
        "properties": {
            "answer": {"type": "string", "maxLength": 12},
            "pages": {"type": "array", "items": {"type": "integer", "maximum": 9}, "maxItems": 2},
        },
        "required": ["answer", "pages"],
        "additionalProperties": False,
    },
    Normalisation.check(
        {
            "format": "json",
            "label": {"labels": {"refused": REFUSED}, "otherwise": "answered"},
            "scored": {"pages": "pages", "answer": "answer"},
            "keys": {"answer": {"compare": "text", "same_from": 0.5}, "pages": {"compare": "set"}},
        },
        "here",
    ),
)


def answer_of(i: int) -> Answer:
    return REFUSED if i % 3 == 0 else {"answer": f"page {i % 5}", "pages": [i % 5]}


def test_refusals_are_whole_and_every_key_has_a_confidence(tiny: str, tmp_path: Path) -> None:
    rows = [split_row(i, answer=answer_of(i)) for i in range(24)]
    params = train_params(base=tiny, epochs=2, batch_size=4, learning_rate=0.01, max_answer_tokens=64)
    checkpoint = Checkpoint(tmp_path / "state.safetensors", "key")
    fitted = fit({"train": rows, "validation": rows[:9]}, SPEC, params, checkpoint)
    assert set(fitted.weights) == {LABEL, "pages", "answer"}
    assert all(weights["model"] > 0 for weights in fitted.weights.values())
    assert fitted.weights["answer"]["ngrams"] == 0.0

    texts = [row["input"] for row in rows]
    for reply, given in zip(fitted.student.replies(texts), fitted.student.answer(texts), strict=True):
        assert set(given.confidences) == {LABEL, "pages", "answer"}
        assert all(0.0 <= value <= 1.0 for value in given.confidences.values())
        if reply.pieces[0] == "refused":
            assert given.answer == REFUSED
            assert given.confidences["answer"] == given.confidences["pages"] == 1.0
        elif given.answer is not None:
            assert SPEC.validator.is_valid(given.answer)
        else:
            assert given.cut_off
