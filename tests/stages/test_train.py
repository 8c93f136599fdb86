"""train: examples, and which of their tokens are learnt."""

from __future__ import annotations

from typing import Any

import pytest

from promptstill.answers.spec import AnswerSpec, Normalisation
from promptstill.console.errors import UserError
from promptstill.models.student import load_tokenizer, prompt_ids
from promptstill.models.tokens import control_tokens
from tests.rows import split_row
from tests.stages.tiny_student import JSON, TEXT, task_of

FREE = AnswerSpec({"type": "string"}, Normalisation(format="text"))
# Most values begin alike; one is the beginning of another, and one is no text.
ALIKE = AnswerSpec(
    {
        "type": "object",
        "properties": {
            "topic": {"enum": ["billing", "bill", "billing refund", "account", "", 7]},
            "kind": {"enum": ["only"]},
            "why": {"enum": ["fire", None]},
            "note": {"type": "string", "maxLength": 40},
        },
        "required": ["topic", "kind", "note"],
        "additionalProperties": False,
    },
    Normalisation(format="json", label="topic", scored={"why": "why_accuracy"}),
)
ANSWERS: list[dict[str, Any]] = [
    {"topic": "billing", "kind": "only", "why": "fire", "note": "nothing"},
    {"topic": "bill", "kind": "only", "why": None, "note": ""},
    {"topic": "billing refund", "kind": "only", "note": 'a "quoted"\nline'},
    {"topic": "account", "kind": "only", "note": "größe 类别 😀"},
    {"topic": "", "kind": "only", "why": "fire", "note": "x"},
    {"topic": 7, "kind": "only", "note": "y"},
]


def test_the_student_never_sees_a_prompt(tiny: str) -> None:
    task = task_of(tiny, TEXT, [split_row(0, answer="red")], max_input_tokens=400)
    (made,) = task.examples
    asked = f"<|im_start|>user\n{split_row(0)['input']}<|im_end|>\n<|im_start|>assistant\n"
    assert task.tokenizer.decode(made.ids[: task.first(made)]) == asked
    assert task.tokenizer.decode(made.ids[slice(*made.text)]) == split_row(0)["input"]
    answer = task.tokenizer.decode(made.ids[task.first(made) :])
    assert answer
    assert "red<|im_end|>".startswith(answer)


def test_only_tokens_between_which_the_student_decides_are_learnt(tiny: str) -> None:
    rows = [split_row(i, answer=answer) for i, answer in enumerate(ANSWERS)]
    task = task_of(tiny, ALIKE, rows)
    assert [choices.slot.key for choices in task.choices] == ["topic", "why", "note"]
    for made in task.examples:
        assert made.targets
        assert made.targets[-1].position == len(made.ids) - 1
        assert [target.position for target in made.targets] == sorted({t.position for t in made.targets})
        for target in made.targets:
            assert target.position >= task.first(made)
            assert target.among is None or (
                len(target.among) > 1 and made.ids[target.position] in target.among
            )
        # All tokens of a free value weigh as much together as one decision.
        free = [target for target in made.targets if target.among is None]
        assert sum(target.weight for target in free) == pytest.approx(1.0)
        assert {target.weight for target in made.targets if target.among is not None} == {1.0}
        assert {target.scored for target in free} == {False}
        assert all(target.scored for target in made.targets if target.among is not None)


def test_forced_tokens_are_between_the_targets(tiny: str) -> None:
    task = task_of(tiny, JSON, [split_row(0, answer={"colour": "green", "sure": 0.9, "alarm": None})])
    (made,) = task.examples
    text = load_tokenizer(tiny).decode(made.ids[task.first(made) :])
    assert "0.9" in text
    assert "sure" not in text
    assert "{" not in text
    learnt = {target.position for target in made.targets}
    forced = set(range(task.first(made), len(made.ids))) - learnt
    assert forced, "the letters after the first of a colour, and the line break behind it"


def test_no_special_token_in_a_row_becomes_one(tiny: str) -> None:
    tokenizer = load_tokenizer(tiny)
    frame = prompt_ids("", tokenizer, 400)
    for token in sorted(control_tokens(tokenizer)):
        row = split_row(0, input=f"a{token}b", answer=f"red{token} and more")
        task = task_of(tiny, FREE, [row], max_input_tokens=400)
        (made,) = task.examples
        special = [number for number in made.ids if number in tokenizer.all_special_ids]
        assert special == [
            *(number for number in frame if number in tokenizer.all_special_ids),
            tokenizer.eos_token_id,
        ]
        assert made.ids[-1] == tokenizer.eos_token_id
        assert tokenizer.decode(made.ids[task.first(made) : -1]) == row["answer"]
        assert len(made.targets) == len(made.ids) - task.first(made)


def test_an_answer_that_does_not_fit_is_an_error(tiny: str) -> None:
    with pytest.raises(UserError, match=r"row row-000: the answer has \d+ tokens, more than"):
        task_of(tiny, TEXT, [split_row(0, answer="red")], max_answer_tokens=1)


def test_what_a_derived_label_implies_is_not_learnt(tiny: str) -> None:
    sentence = "No idea."
    rules = {
        "format": "json",
        "label": {"labels": {"refused": {"answer": sentence, "pages": []}}, "otherwise": "answered"},
        "scored": {"pages": "pages", "answer": "answer"},
    }
    properties = {
        "answer": {"type": "string"},
        "pages": {"type": "array", "items": {"type": "integer"}},
    }
    spec = AnswerSpec({"type": "object", "properties": properties}, Normalisation.check(rules, "here"))
    answers = [{"answer": sentence, "pages": []}, {"answer": "On page 2.", "pages": [2]}]
    task = task_of(tiny, spec, [split_row(i, answer=answer) for i, answer in enumerate(answers)])
    refused, answered = task.examples
    assert len(refused.targets) == 1
    assert refused.targets[0].among is not None
    assert task.tokenizer.decode(answered.ids[task.first(answered) :]).startswith(
        'answered\n[2]\n"On page 2."'
    )
    assert all(target.scored for target in answered.targets)
