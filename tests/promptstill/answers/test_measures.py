"""What is measured of an answer, by the kind of a task."""

from __future__ import annotations

import pytest

from promptstill.answers.measures import measured, measures, shares
from promptstill.answers.spec import AnswerSpec, Normalisation
from promptstill.rows.row import Answer
from tests.project import JSON_SCHEMA, TEXT_SCHEMA
from tests.promptstill.answers.grounded import REFUSAL, SPEC

LISTED = AnswerSpec(TEXT_SCHEMA, Normalisation(format="text"))
JSON = AnswerSpec(
    JSON_SCHEMA, Normalisation(format="json", label="colour", scored={"alarm": "alarm_accuracy"})
)
OF_TEXTS = Normalisation.check({"format": "text", "value": {"compare": "text", "same_from": 0.6}}, "here")
FREE = AnswerSpec({"type": "string"}, OF_TEXTS)
FEE: Answer = {"answer": "The fee is 5 dollars.", "citations": [1, 2]}
REFUSED: Answer = {"answer": REFUSAL, "citations": []}


@pytest.mark.parametrize(
    ("spec", "left", "right", "expected"),
    [
        (LISTED, "red", "red", {"accuracy": 1.0}),
        (LISTED, "red", None, {"accuracy": 0.0}),
        (
            JSON,
            {"colour": "red"},
            {"colour": "red", "alarm": "fire"},
            {"accuracy": 1.0, "alarm_accuracy": 0.0},
        ),
        (FREE, "It costs 5 dollars.", "it costs 6 dollars", {"accuracy": 1.0, "text_f1": 0.75}),
        (FREE, "It costs 5 dollars.", "no idea", {"accuracy": 0.0, "text_f1": 0.0}),
        (
            SPEC,
            {"answer": "The fee: 5 dollars!", "citations": [2]},
            FEE,
            {
                "accuracy": 0.0,
                "label_accuracy": 1.0,
                "answer_same": 1.0,
                "answer_same_f1": 6 / 7,
                "citations_same": 0.0,
                "citations_same_f1": 2 / 3,
            },
        ),
        (
            SPEC,
            REFUSED,
            FEE,
            {
                "accuracy": 0.0,
                "label_accuracy": 0.0,
                "answer_same": 0.0,
                "answer_same_f1": 0.0,
                "citations_same": 0.0,
                "citations_same_f1": 0.0,
            },
        ),
    ],
)
def test_an_answer_is_measured_by_label_and_by_key(
    spec: AnswerSpec, left: Answer, right: Answer | None, expected: dict[str, float]
) -> None:
    given = {name: measured(left, right, measure) for name, measure in measures(spec).items()}
    assert given == pytest.approx(expected)
    assert set(shares(spec)) == {name for name in expected if not name.endswith("_f1")}
    assert next(iter(given)) == "accuracy"
