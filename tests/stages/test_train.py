"""train: examples and the weights of their tokens."""

from __future__ import annotations

import json

import pytest

from promptstill.console.errors import UserError
from promptstill.models.student import load_tokenizer, prompt_ids
from promptstill.models.tokens import control_tokens
from promptstill.rows.row import Answer, SplitRow
from stages.train.examples import common_values, examples_of, value_spans
from stages.train.guards import refuse_unknown_keys
from tests.params import train_params
from tests.rows import split_row
from tests.stages.tiny_student import JSON, TEXT, made_of


def test_the_student_never_sees_a_prompt(tiny: str) -> None:
    tokenizer = load_tokenizer(tiny)
    (made,) = made_of([split_row(0, answer="red")], TEXT, tokenizer, train_params(max_input_tokens=400))
    text = tokenizer.decode(made.ids)
    assert (
        text == f"<|im_start|>user\n{split_row(0)['input']}<|im_end|>\n<|im_start|>assistant\nred<|im_end|>"
    )
    assert tokenizer.decode(made.answer_ids) == "red<|im_end|>"
    assert len(made.weights) == len(made.answer_ids)


def test_only_scored_values_weigh_fully(tiny: str) -> None:
    answer: Answer = {"colour": "red", "sure": 0.9, "alarm": None}
    text = JSON.text(answer)
    values = {key: text[start:end] for key, (start, end) in value_spans(answer, JSON).items()}
    assert values == {"colour": '"red"', "sure": "0.9", "alarm": "null"}
    weighing = train_params(unscored_weight=0.25)
    (made,) = made_of([split_row(0, answer=answer)], JSON, load_tokenizer(tiny), weighing)
    assert set(made.weights) == {1.0, 0.25}
    assert [weight == 1.0 for weight in made.weights] == made.scored


def test_the_values_of_any_answer_are_where_they_are_written() -> None:
    answer = {
        "catégorie": "größe",
        "类别": 'a "b": c',
        'quo"te\\': {"catégorie": ["x", 1.5]},
        "a": "a",
        "😀": None,
    }
    text = JSON.text(answer)
    spans = value_spans(answer, JSON)
    written = {key: text[start:end] for key, (start, end) in spans.items()}
    assert written == {key: json.dumps(value, ensure_ascii=False) for key, value in answer.items()}


def test_an_absent_key_is_a_value_of_its_own(tiny: str) -> None:
    def answered(alarm: dict[str, str]) -> SplitRow:
        return split_row(0, answer={"colour": "red", "sure": 0.9} | alarm)

    heavy = train_params(unscored_weight=0.5, rare_weight={"alarm": 3.0})
    rows = [answered({}), answered({}), answered({"alarm": "fire"})]
    assert common_values(rows, heavy) == {"alarm": ""}
    assert [max(made.weights) for made in made_of(rows, JSON, load_tokenizer(tiny), heavy)] == [1.0, 1.0, 3.0]


def test_a_rare_value_weighs_more_and_nothing_else_does(tiny: str) -> None:
    answers = [{"colour": "red", "sure": 0.9, "alarm": "fire" if i == 2 else None} for i in range(4)]
    rows = [split_row(i, answer=answer) for i, answer in enumerate(answers)]
    tokenizer = load_tokenizer(tiny)
    made = made_of(rows, JSON, tokenizer, train_params(unscored_weight=0.5, rare_weight={"alarm": 3.0}))
    heavy = [
        token for token, weight in zip(made[2].answer_ids, made[2].weights, strict=True) if weight == 3.0
    ]
    assert "fire" in tokenizer.decode(heavy)
    assert "red" not in tokenizer.decode(heavy)
    assert all(max(made[i].weights) == 1.0 for i in (0, 1, 3))


def test_the_training_rows_decide_what_is_rare(tiny: str) -> None:
    def answered(alarms: list[str | None]) -> list[SplitRow]:
        return [
            split_row(i, answer={"colour": "red", "sure": 0.9, "alarm": alarm})
            for i, alarm in enumerate(alarms)
        ]

    heavy = train_params(rare_weight={"alarm": 3.0})
    common = common_values(answered([None, None, "fire"]), heavy)
    (made,) = examples_of(answered(["fire"]), JSON, load_tokenizer(tiny), heavy, common)
    assert max(made.weights) == 3.0


def test_an_answer_without_an_optional_key_is_common_or_rare_as_any_other(tiny: str) -> None:
    answers: list[Answer] = [{"colour": "red"}, {"colour": "red"}, {"colour": "red", "alarm": "fire"}]
    rows = [split_row(i, answer=answer) for i, answer in enumerate(answers)]
    made = made_of(rows, JSON, load_tokenizer(tiny), train_params(rare_weight={"alarm": 3.0}))
    assert [max(example.weights) for example in made] == [1.0, 1.0, 3.0]


def test_a_key_of_any_script_has_its_value() -> None:
    answer: Answer = {"cat\u00e9gorie": "r\u00e9seau", "\u6570": 1}
    spans = value_spans(answer, JSON)
    text = JSON.text(answer)
    assert [text[start:end] for start, end in spans.values()] == ['"r\u00e9seau"', "1"]


def test_no_special_token_in_a_row_becomes_one(tiny: str) -> None:
    tokenizer = load_tokenizer(tiny)
    frame = prompt_ids("", tokenizer, 400)
    for token in sorted(control_tokens(tokenizer)):
        row = split_row(0, input=f"a{token}b", answer=f"red{token} and more")
        (made,) = made_of([row], TEXT, tokenizer, train_params(max_input_tokens=400))
        special = [number for number in made.ids if number in tokenizer.all_special_ids]
        assert special == [
            *(number for number in frame if number in tokenizer.all_special_ids),
            tokenizer.eos_token_id,
        ]
        assert made.ids[-1] == tokenizer.eos_token_id
        assert tokenizer.decode(made.answer_ids[:-1]) == row["answer"]
        assert len(made.weights) == len(made.scored) == len(made.answer_ids)


def test_a_weight_for_a_key_that_answers_do_not_have_is_refused_before_anything_is_read() -> None:
    refuse_unknown_keys("colour", train_params(rare_weight={"alarm": 3.0}), JSON)
    heavy = train_params(rare_weight={"alarn": 3.0})
    with pytest.raises(
        UserError, match=r"params.yaml: colour.train.rare_weight.alarn: .*mean alarm\?\); name"
    ):
        refuse_unknown_keys("colour", heavy, JSON)
    twice = train_params(rare_weight={"alarn": 3.0, "color": 2.0})
    with pytest.raises(
        UserError, match=r"rare_weight.alarn: .*; params.yaml: colour.train.rare_weight.color"
    ):
        refuse_unknown_keys("colour", twice, JSON)
    with pytest.raises(UserError, match=r"colour.train.rare_weight.alarn: .* leave rare_weight empty"):
        refuse_unknown_keys("colour", heavy, TEXT)


def test_an_answer_that_does_not_fit_is_an_error(tiny: str) -> None:
    with pytest.raises(UserError, match=r"row row-000: the answer has \d+ tokens, more than"):
        made_of([split_row(0, answer="red")], TEXT, load_tokenizer(tiny), train_params(max_answer_tokens=1))
