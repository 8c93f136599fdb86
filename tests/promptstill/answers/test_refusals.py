"""Refusals and the labels that are derived from answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptstill.answers.consensus import decide
from promptstill.answers.schema.compare import same
from promptstill.answers.spec import AnswerSpec
from promptstill.console.errors import UserError
from tests.promptstill.answers.tasks import schema_of, spec_of, write_task
from tests.rows import sampled_row

SENTENCE = "I cannot answer from the given context."
REFUSED = {"answer": SENTENCE, "citations": []}
PROPERTIES: dict[str, Any] = {
    "answer": {"type": "string", "minLength": 1},
    "citations": {"type": "array", "items": {"type": "integer", "minimum": 1}},
}
RULES: dict[str, Any] = {
    "format": "json",
    "label": {"labels": {"refused": REFUSED}, "otherwise": "answered"},
    "scored": {"citations": "citations", "answer": "answer"},
    "keys": {"answer": {"compare": "text", "same_from": 0.6}, "citations": {"compare": "set"}},
    "refusal": {
        "text": SENTENCE,
        "key": "answer",
        "others": {"citations": []},
        "variants": ["(the )?context does not say( so)?", "i can'?t answer (this|that)( from the context)?"],
    },
}
GROUNDED = spec_of(PROPERTIES, **RULES)


def reply(answer: str, citations: str = "[]") -> str:
    return f'{{"answer": "{answer}", "citations": {citations}}}'


@pytest.mark.parametrize(
    ("text", "repairs"),
    [
        (reply(SENTENCE), ()),
        (reply("I cannot answer from the given context"), ("refusal_wording",)),
        (reply("i CANNOT answer from the given context!"), ("refusal_wording",)),
        (reply("The context does not say."), ("refusal_wording",)),
        (reply("I can't answer this from the context."), ("refusal_wording",)),
        (f'{{"answer": "{SENTENCE}"}}', ("refusal_wording",)),
        (f'{{"answer": "{SENTENCE}", "citations": null}}', ("refusal_wording",)),
        (SENTENCE, ("refusal_wording",)),
        ("The context does not say.", ("refusal_wording",)),
    ],
)
def test_a_refusal_has_one_wording(text: str, repairs: tuple[str, ...]) -> None:
    parsed = GROUNDED.parse(text)
    assert parsed.answer == REFUSED
    assert parsed.repairs == repairs
    assert GROUNDED.label(REFUSED) == "refused"


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        (reply(f"The fee is 5 dollars. {SENTENCE}", "[1]"), "a refusal beside other words"),
        (reply("The context does not say when, but it costs 5 dollars.", "[1]"), "beside other words"),
        (reply(SENTENCE, "[2]"), "a refusal with citations = [2]"),
        (reply("The context does not say.", '"2"'), "a refusal with citations = [2]"),
    ],
)
def test_a_refusal_beside_an_answer_is_no_answer(text: str, detail: str) -> None:
    parsed = GROUNDED.parse(text)
    assert (parsed.answer, parsed.problem) == (None, "several_answers")
    assert detail in str(parsed.detail)


def test_an_answer_is_no_refusal() -> None:
    answer = {"answer": "You cannot park there on Sundays.", "citations": [1]}
    parsed = GROUNDED.parse(reply("You cannot park there on Sundays.", "[1]"))
    assert (parsed.answer, parsed.repairs) == (answer, ())
    assert GROUNDED.label(answer) == "answered"
    assert GROUNDED.label_shape.enum == ("refused", "answered")
    assert not GROUNDED.open_labels


@given(answer=st.text(max_size=40), citations=st.lists(st.integers(-2, 9), max_size=4))
def test_what_the_parser_reads_it_reads_again(answer: str, citations: list[int]) -> None:
    parsed = GROUNDED.of_value({"answer": answer, "citations": citations})
    assert (parsed.answer is None) != (parsed.problem is None)
    if parsed.answer is not None:
        again = GROUNDED.of_value(parsed.answer)
        assert (again.answer, again.repairs) == (parsed.answer, ())


def test_answers_are_the_same_by_label_set_and_tokens() -> None:
    answer = {"answer": "It closes at 17:00 on Thursdays.", "citations": [1, 3]}
    assert same(answer, {"answer": "On Thursdays it closes at 17:00.", "citations": [3, 1]}, GROUNDED)
    assert not same(answer, {"answer": "It closes at 17:00 on Thursdays.", "citations": [1]}, GROUNDED)
    assert not same(answer, {"answer": "It opens on Mondays.", "citations": [1, 3]}, GROUNDED)
    assert not same(answer, REFUSED, GROUNDED)


def test_the_answer_of_several_samples_is_the_one_nearest_to_the_others() -> None:
    far = reply("On Thursdays the whole house closes at 17:00 already.", "[1]")
    middle = reply("On Thursdays the house closes at 17:00.", "[1]")
    near = reply("The house closes at 17:00 on Thursdays.", "[1]")
    decided = decide(sampled_row(0, SENTENCE, far, middle, near)["samples"], GROUNDED)
    assert decided["answer"] == GROUNDED.parse(middle).answer
    assert (decided["agreement"], decided["dissent"], decided["answer_sample"]) == (0.75, 1, 2)
    assert decided["label"] == "answered"


OPEN = {"type": "string", "minLength": 1}


def test_a_text_answer_can_be_a_refusal() -> None:
    rules = {"refusal": {"text": "No idea."}, "label": {"labels": {"none": "No idea."}, "otherwise": "some"}}
    spec = AnswerSpec(OPEN, GROUNDED.rules.check({"format": "text", **rules}, "here"))
    assert spec.parse("no idea").answer == "No idea."
    assert spec.parse("No idea. Perhaps 5.").problem == "several_answers"
    assert [spec.label(text) for text in ("No idea.", "Perhaps 5.")] == ["none", "some"]


def test_a_free_text_without_a_label_is_one_class() -> None:
    spec = AnswerSpec(OPEN, GROUNDED.rules.check({"format": "text", "value": {"compare": "text"}}, "here"))
    assert spec.label("anything") == spec.label("else") == "(text)"
    assert same("An answer", "the answer!", spec)
    assert not same("An answer", "another answer", spec)


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ({"label": None}, "label: missing; name the property"),
        ({"label": {"labels": {"refused": {"anser": "x"}}, "otherwise": "answered"}}, "no property 'anser'"),
        ({"label": {"labels": {"refused": {"answer": 5}}, "otherwise": "answered"}}, "5 is no value by"),
        ({"label": {"labels": {"refused": "x"}, "otherwise": "answered"}}, "must name keys of the answer"),
        ({"label": {"labels": {"a": REFUSED}, "otherwise": "a"}}, "'a' is one of the labels already"),
        ({"scored": {"citations": "citations"}}, "'answer' is not in `scored`"),
        ({"scored": {"citations": "x", "answer": "x_f1"}}, "'x_f1' already names another metric"),
        ({"scored": {"citations": "valid", "answer": "answer"}}, "'valid' already names another metric"),
        ({"scored": {"citations": "label_accuracy", "answer": "answer"}}, "'label_accuracy' already names"),
        ({"scored": {"citations": "refused_recall", "answer": "answer"}}, "'refused_recall' already names"),
        ({"citations": {"key": "answer", "passages": "(x)(y)"}}, "must be in `scored`, and the schema"),
        ({"confidence": "citations"}, "'citations' is the confidence, which the student computes"),
        ({"refusal": {"text": "...", "key": "answer"}}, "refusal.text: string should match pattern"),
        (
            {"refusal": {"text": SENTENCE, "key": "answer", "variants": ["x*"]}},
            "matches a text without words",
        ),
        ({"refusal": {"text": SENTENCE}}, "refusal.key: missing"),
        ({"refusal": {"text": SENTENCE, "key": "anser"}}, "no property 'anser'"),
        ({"refusal": {"text": SENTENCE, "key": "citations"}}, "is no value by"),
        (
            {"refusal": {"text": SENTENCE, "key": "answer", "variants": ["("]}},
            "'(' is not a regular expression",
        ),
        ({"keys": {"answer": {"compare": "set"}}}, "set compares values of type array"),
        ({"keys": {"answer": {"same_from": 0.5}}}, "`same_from` is for `compare: text`"),
        ({"keys": {"citations": {"compare": "set", "tolerance": 1}}}, "`tolerance` is for `compare: number`"),
        ({"citations": {"key": "citations", "passages": "(x)"}}, "must have exactly 2 groups"),
        ({"citations": {"key": "pages", "passages": "(x)(y)"}}, "no property 'pages'"),
        (
            {"label": {"labels": {"refused": {"answer": SENTENCE.upper()}}, "otherwise": "answered"}},
            "no answer can have it",
        ),
    ],
)
def test_rules_that_mean_nothing_are_refused(project: Path, rules: dict[str, Any], message: str) -> None:
    write_task(project, schema_of(PROPERTIES), RULES | rules)
    with pytest.raises(UserError) as raised:
        AnswerSpec.load("colour")
    assert "normalise.yaml" in str(raised.value)
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ({"label": "colour"}, "a text has no key 'colour'"),
        ({"label": {"labels": {"a": {"x": 1}}, "otherwise": "b"}}, "a text has no key 'x'"),
        ({"label": {"labels": {"a": 1}, "otherwise": "b"}}, "must be the text of such an answer"),
        ({"refusal": {"text": "x", "others": {"y": 1}}}, "a text has no key 'y'"),
        ({"value": {"compare": "number"}}, "number compares values of type"),
    ],
)
def test_rules_for_objects_are_no_rules_for_texts(project: Path, rules: dict[str, Any], message: str) -> None:
    write_task(project, OPEN, {"format": "text"} | rules)
    with pytest.raises(UserError) as raised:
        AnswerSpec.load("colour")
    assert message in str(raised.value)


def test_a_refusal_is_found_at_the_borders_of_words_only() -> None:
    rules = {"format": "text", "refusal": {"text": "None."}}
    spec = AnswerSpec(OPEN, GROUNDED.rules.check(rules, "here"))
    assert spec.parse("Nonetheless, it costs 5 dollars.").answer == "Nonetheless, it costs 5 dollars."
    assert spec.parse("none").answer == "None."
    assert spec.parse("None, except on Sundays.").problem == "several_answers"
