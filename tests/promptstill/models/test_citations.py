"""Citations that are looked up for the words of an answer."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptstill.answers.schema.passages import supporting
from promptstill.answers.schema.script import LABEL, Script
from promptstill.models.citations import cites, look_up
from promptstill.models.reply import Reply
from stages.train import mixing
from tests.cited import REFUSAL, REFUSED, SPEC, asked, cited
from tests.promptstill.answers.tasks import spec_of
from tests.rows import split_row

POOL = {1: "The pool opens at 9:00.", 2: "Adults pay 4 euros.", 3: "Towels are 2 euros each."}
TEXT = asked("When, and what is it?", *POOL.values())
SCRIPT = Script(SPEC)


def reply(text: str, numbers: list[int], label: str = "answered", cut_off: bool = False) -> Reply:
    pieces = {LABEL: label, "answer": json.dumps(text), "cites": json.dumps(numbers)}
    probabilities = dict.fromkeys(pieces, 0.5)
    return Reply([pieces[slot.key] for slot in SCRIPT.slots], probabilities, cut_off=cut_off)


def test_the_passages_with_the_words_of_a_text_support_it() -> None:
    assert supporting("It opens at 9:00", POOL, 0.25)[0] == [1]
    assert supporting("The pool opens at 9:00: adults pay 4 euros.", POOL, 0.25) == ([1, 2], 1.0)
    assert supporting("Adults pay 4 euros and not 2.", POOL, 0.25)[0] == [2]
    assert supporting("Adults pay 4 euros and not 2.", POOL, 0.05)[0] == [2, 3]
    assert supporting("Nobody knows", POOL, 0.25) == ([], 0.0)
    assert supporting("It opens", {}, 0.25) == ([], 0.0)


@given(st.text(), st.dictionaries(st.integers(1, 9), st.text(), max_size=5), st.floats(0.01, 1))
def test_any_text_is_supported_by_some_of_its_passages(
    text: str, numbered: dict[int, str], least: float
) -> None:
    numbers, share = supporting(text, numbered, least)
    assert numbers == sorted(set(numbers)) and set(numbers) <= set(numbered)
    assert 0 <= share <= 1 + 1e-9 and bool(numbers) == (share > 0)


def test_a_reply_gets_the_passages_that_say_what_it_says() -> None:
    wrong = reply("It opens at 9:00.", [3])
    look_up(TEXT, wrong, SPEC, SCRIPT, 0.25)
    assert SCRIPT.answer(wrong.pieces, 1.0) == cited("It opens at 9:00.", 1)
    assert 0 < wrong.probabilities["cites"] < 1


@pytest.mark.parametrize(
    "kept",
    [
        reply(REFUSAL, [], label="refused"),
        reply("Nobody knows", [3]),
        reply("It opens at 9:00.", [3], cut_off=True),
    ],
    ids=["refused", "no word", "cut off"],
)
def test_a_reply_keeps_its_citations_where_nothing_better_is_known(kept: Reply) -> None:
    before = list(kept.pieces)
    look_up(TEXT, kept, SPEC, SCRIPT, 0.25)
    assert kept.pieces == before and kept.probabilities["cites"] == 0.5


def test_citations_that_break_the_schema_are_not_put() -> None:
    properties = {"answer": {"type": "string"}, "cites": {"type": "array", "items": {"enum": [2, 3]}}}
    spec = spec_of(
        properties, label=SPEC.rules.label, scored=SPEC.rules.scored, citations=SPEC.rules.citations
    )
    kept = reply("It opens at 9:00.", [3])
    look_up(TEXT, kept, spec, Script(spec), 0.25)
    assert json.loads(kept.pieces[-1]) == [3]


def test_only_answers_with_a_text_and_citations_can_be_looked_up() -> None:
    assert cites(SPEC, SCRIPT)
    labels = spec_of({"colour": {"enum": ["red", "blue"]}})
    assert not cites(labels, Script(labels))


class Replies:
    """A student with given replies, in the place of an `Answerer`."""

    script = SCRIPT

    def __init__(self, replies: list[Reply]) -> None:
        self._replies = replies

    def replies(self, texts: list[str]) -> list[Reply]:
        return self._replies


@pytest.mark.parametrize(("written", "looked_up"), [([3], True), ([1], False)], ids=["wrong", "right"])
def test_validation_chooses_whether_citations_are_looked_up(written: list[int], looked_up: bool) -> None:
    truth = cited("The pool opens at 9:00.", 1)
    rows = [split_row(i, input=TEXT, answer=truth, label="answered") for i in range(6)]
    rows += [split_row(6, input=TEXT, answer=REFUSED, label="refused")]
    replies = [reply("It opens at 9:00.", written) for _ in rows[1:]] + [reply(REFUSAL, [], label="refused")]
    weights = mixing._of_free_values(["answer", "cites"], rows, Replies(replies), SPEC)  # type: ignore[arg-type]
    assert ("passages" in weights["cites"]) == looked_up
    assert weights["cites"]["model"] > 0
    assert "passages" not in weights["answer"]
