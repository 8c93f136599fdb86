"""dedupe: rows that share most of their text are distinguished by a part of it, and by what they cite."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from promptstill.console.errors import UserError
from promptstill.near.corpus import Corpus
from promptstill.rows.row import Input, KeptRow
from stages.dedupe.cited import differing
from stages.dedupe.compared import ComparedRows, part_of, with_vectors
from tests.params import dedupe_params
from tests.promptstill.answers.tasks import spec_of
from tests.rows import kept_row

PART = r"\nQuestion: (.*)"
PASSAGES = ("The pool opens at 6:30 on weekdays.", "A ticket for adults costs 4.90 euros.", "Dogs stay out.")


def asked(number: int, question: str, order: str = "012", **changes: Any) -> KeptRow:
    """A row about one page, whose passages are in some order."""
    page = "\n".join(f"[{i}] {PASSAGES[int(place)]}" for i, place in enumerate(order, start=1))
    return kept_row(number, input=f"Page: Pool\n{page}\nQuestion: {question}", **changes)


def cited(*numbers: int) -> dict[str, Any]:
    return {"answer": "yes", "citations": list(numbers)}


def ends(rows: list[KeptRow], part: str | None) -> list[tuple[int, int]]:
    params = dedupe_params(meaning=0.6, text=0.5, part=part)
    pairs = with_vectors(rows, params, None).pairs(params.min_cosine, params.min_text_overlap)
    return [(pair.left, pair.right) for pair in pairs]


def test_questions_about_one_page_are_near_only_if_the_questions_are() -> None:
    rows = [
        asked(0, "When does the pool open on Monday?"),
        asked(1, "May I bring my parrot?", "120"),
        asked(2, "when does the pool open on monday", "201"),
    ]
    assert ends(rows, None) == [(0, 1), (0, 2), (1, 2)]
    assert ends(rows, PART) == [(0, 2)]


def test_a_pair_is_as_near_as_the_less_near_of_text_and_part() -> None:
    texts, parts = ["abcd efgh", "abcd efgh!"], ["abcd", "abxx"]
    vectors = np.array([[1, 0], [0.96, 0.28]], dtype=np.float32)
    of_parts = np.array([[1, 0], [0.6, 0.8]], dtype=np.float32)
    whole = Corpus([kept_row(i, input=text) for i, text in enumerate(texts)], vectors)
    both = ComparedRows(whole, Corpus([Input(id="x", input=text) for text in parts], of_parts))
    (by_text,), (by_both,) = (rows.pairs(0.5, 0.0) for rows in (ComparedRows(whole, None), both))
    assert by_text.cosine == pytest.approx(0.96)
    assert by_both.cosine == pytest.approx(0.6)
    assert by_both.text_overlap < by_text.text_overlap
    assert both.pairs(0.7, 0.0) == [], "the whole texts alone are no longer enough"
    assert both.take([1, 0]).pairs(0.5, 0.0)[0].cosine == by_both.cosine


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("Page\nQuestion: open on Monday?", "open on Monday?"),
        ("no page and no question", "no page and no question"),
        ("Page\nQuestion:  ", "Page\nQuestion:  "),
    ],
)
def test_a_text_without_the_part_counts_whole(text: str, part: str) -> None:
    assert part_of(text, PART) == part


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("(", "here.part: not a regular expression"),
        ("Question: .*", "here.part: must have exactly one group"),
    ],
)
def test_a_pattern_that_finds_no_part_is_refused(pattern: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        dedupe_params(part=pattern)


def test_passages_are_compared_and_not_their_numbers() -> None:
    listed = {"type": "array", "items": {"type": "integer"}}
    differ = differing(
        spec_of(
            {"answer": {"type": "string"}, "citations": listed},
            scored={"citations": "citations"},
            keys={"citations": {"compare": "set"}},
            citations={"key": "citations", "passages": r"(?m)^\[(\d+)\] (.+)$"},
        )
    )
    first = asked(0, "?", "012", answer=cited(1, 2))
    assert not differ(first, asked(1, "?", "201", answer=cited(2, 3)))
    assert differ(first, asked(1, "?", "201", answer=cited(1, 2)))
    assert differ(first, asked(1, "?", "012", answer=cited(1)))
    assert differ(first, asked(1, "?", "012", answer=cited(1, 9))), "a number without a passage is itself"
