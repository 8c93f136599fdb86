"""Open text answers: markup around the whole text goes, what belongs to the text stays."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptstill.answers.spec import AnswerSpec, Normalisation

ANY_TEXT = {"type": "string"}
OPEN = AnswerSpec(ANY_TEXT, Normalisation(format="text"))
AFTER = AnswerSpec(ANY_TEXT, Normalisation(format="text", pattern=r"(?i)final answer:\s*([^\n]*)"))


@pytest.mark.parametrize(
    "text",
    [
        'Run "make test"',
        '"make" and "make test"',
        "Use `ls`",
        "`ls` or `dir`",
        "**Yes**, and *no*",
        "**Yes** and **no**",
        "It costs $5. Really!",
        "What?",
        ".gitignore",
        "* one *",
        "```\na\n```\nor\n```\nb\n```",
    ],
)
def test_a_text_keeps_its_own_marks(text: str) -> None:
    parsed = OPEN.parse(f" {text}\n")
    assert (parsed.answer, parsed.repairs) == (text, ())


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        ('"It costs $5."', "It costs $5."),
        ("`ls -l`", "ls -l"),
        ("**Yes!**", "Yes!"),
        ("*Yes*", "Yes"),
        ("```sh\nmake test\n```", "make test"),
        ('```\n"Use `ls`"\n```', "Use `ls`"),
        ("**Use *one* of two.**", "Use *one* of two."),
    ],
)
def test_a_pair_around_the_whole_text_goes(reply: str, answer: str) -> None:
    parsed = OPEN.parse(reply)
    assert (parsed.answer, parsed.repairs) == (answer, ("markup",))


@pytest.mark.parametrize("reply", ['""', "``", "**", "``````"])
def test_marks_alone_are_no_answer(reply: str) -> None:
    assert OPEN.parse(reply).problem == "no_answer"


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        ("Final answer: a*b`c", "a*b`c"),
        ("**Final answer:** a*b`c", "a*b`c"),
        ("**Final** answer: a*b`c", "a*b`c"),
        ("**Final answer:** Use `ls`", "Use `ls`"),
        ("**Final answer: use `ls`**", "use `ls`"),
        ("**Final answer:**yes.", "yes."),
        ("**Final answer:** **Yes** and **no**", "**Yes** and **no**"),
        ("Final answer: **yes**", "yes"),
        ("Final answer: `ls` is *it*", "`ls` is *it*"),
        ("Because.\n\n```\nFinal answer: yes\n```", "yes"),
        ("It is `a`.\nFinal answer: *args", "*args"),
        ("No answer", "No answer"),
    ],
)
def test_after_the_words_of_a_pattern(reply: str, answer: str) -> None:
    assert AFTER.parse(reply).answer == answer


def test_a_pattern_that_names_markup_matches_the_reply_as_it_is() -> None:
    spec = AnswerSpec(ANY_TEXT, Normalisation(format="text", pattern=r"Answer: `([^`]*)`"))
    assert spec.parse("Answer: `a*b`").answer == "a*b"


def test_a_closed_label_keeps_its_tolerance() -> None:
    spec = AnswerSpec({"enum": ["red"]}, Normalisation(format="text"))
    assert {spec.parse(reply).answer for reply in ("red.", "`red", '"red"!', "**red**,")} == {"red"}


@given(st.text(alphabet="a \"'`*.\n", max_size=12))
def test_an_answer_parses_to_itself(reply: str) -> None:
    answer = OPEN.parse(reply).answer
    assert answer is None or OPEN.parse(OPEN.text(answer)).answer == answer
