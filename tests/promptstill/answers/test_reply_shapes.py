"""No reply is read as another answer than its own, whatever shape it has."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from promptstill.core.files import canonical_json
from tests.promptstill.answers.reply_shapes import (
    AROUND,
    SPEC,
    answer_of,
    doubtful,
    notations,
    placed,
    readable,
)

PIECES = st.sampled_from(
    [
        "{",
        "}",
        '"',
        "'",
        "{'category': 'other',",
        '"level": 1}',
        ": ",
        "\\",
        ",",
        "]",
        "```\n",
        "don't",
        "None",
    ]
)


def test_every_notation_in_every_surrounding_gives_its_answer() -> None:
    shapes = list(readable(range(6)))
    assert len({made.reply for made in shapes}) > 1000
    wrong = {
        made.kind: (made.reply, SPEC.parse(made.reply))
        for made in shapes
        if canonical_json(SPEC.parse(made.reply).answer) != canonical_json(made.answer)
    }
    assert wrong == {}


def test_a_reply_without_one_answer_is_a_problem() -> None:
    shapes = list(doubtful(range(30)))
    assert len({made.reply for made in shapes}) > 600
    wrong = {
        made.kind: (made.reply, SPEC.parse(made.reply))
        for made in shapes
        if SPEC.parse(made.reply).answer is not None or SPEC.parse(made.reply).problem is None
    }
    assert wrong == {}


@given(st.integers(0, 10**6), st.lists(PIECES, max_size=6), st.lists(PIECES, max_size=6))
def test_broken_pieces_around_an_answer_give_it_or_a_problem(
    seed: int, before: list[str], after: list[str]
) -> None:
    random = Random(seed)
    answer = answer_of(random)
    text = random.choice(list(notations(answer, random).values()))
    frame = random.choice(list(AROUND.values()))
    parsed = SPEC.parse("".join(before) + placed(frame, text) + "".join(after))
    if parsed.answer is not None:
        assert canonical_json(parsed.answer) == canonical_json(answer)
