"""Sentences and words of texts in several scripts."""

from __future__ import annotations

import time

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from promptstill.answers.sentences import sentences, words

LETTERS = regex.compile(r"[\p{L}\p{N}]")


@pytest.mark.parametrize(
    "text",
    [
        "The pool opens at 6:30.",
        "It costs 3.40 euros, i.e. 1.70 euros for children",
        "Doors open at 9 a.m. on weekdays.",
        "Doors open at 9 a.m. Monday to Friday.",
        "The desk is at St. Mary's, next to Dr. J. Smith.",
        "Ask for form No. 5 at approx. 12 counters.",
        "Bring pens, paper, etc. and a lamp.",
        "Really?!",
        "The film 'Who?' starts at dusk…",
        "图书馆九点开门。",
        "المكتبة مغلقة؟",
        "Write to desk@city.example or see city.example/pool.",
    ],
)
def test_one_sentence(text: str) -> None:
    assert sentences(text) == [text]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("It opens at 9:00. Bring a card.", ["It opens at 9:00.", "Bring a card."]),
        ("It opens at 9 a.m. Bring a card.", ["It opens at 9 a.m.", "Bring a card."]),
        ("No. You need a card.", ["No.", "You need a card."]),
        ('He said "yes." Then he left!', ['He said "yes."', "Then he left!"]),
        ("Open on 3 days\n\nClosed on 4", ["Open on 3 days", "Closed on 4"]),
        ("开门。关门！", ["开门。", "关门！"]),
        ("Η πύλη ανοίγει. Φέρτε κάρτα.", ["Η πύλη ανοίγει.", "Φέρτε κάρτα."]),
        (" ... \n", []),
        ("", []),
    ],
)
def test_several_sentences_or_none(text: str, parts: list[str]) -> None:
    assert sentences(text) == parts


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("A card costs $5 - or 4 % less.", 7),
        ("the well-known O'Neill's", 3),
        ("图书馆9点", 5),
        ("Η πύλη ανοίγει", 3),
        ("— … !", 0),
        ("", 0),
    ],
)
def test_words(text: str, count: int) -> None:
    assert words(text) == count


@given(st.text())
def test_sentences_keep_the_words_of_any_text(text: str) -> None:
    parts = sentences(text)
    assert LETTERS.findall("".join(parts)) == LETTERS.findall(text)
    assert all(part in text and LETTERS.search(part) for part in parts)


@pytest.mark.parametrize("piece", [".", " ", " \t", "e.g. ", "J. ", "A. b ", ".'", "a", "a."])
def test_work_grows_in_proportion_to_the_text(piece: str) -> None:
    def work(length: int) -> float:
        started = time.process_time()
        sentences(f"x{piece * (length // len(piece))}x")
        return time.process_time() - started

    short = min(work(2_500) for _ in range(3))
    # Linear work takes 8 times as long, quadratic work 64 times.
    assert work(20_000) < 24 * short + 0.05
