"""Slices: which rows they hold for, and mistakes in slices.yaml."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from promptstill.console.errors import UserError
from promptstill.rows.slices import Slice, load_slices, slices_of
from tests.project import REPOSITORY, write


@pytest.mark.parametrize(
    ("predicate", "text", "holds"),
    [
        ({"max_chars": 3}, "abc", True),
        ({"max_chars": 3}, "abcd", False),
        ({"min_chars": 4}, "abcd", True),
        ({"script": "Greek"}, "γεια hi", True),
        ({"script": "Latin"}, "γεια hi", False),
        ({"script": "none"}, "12 :)", True),
        ({"min_scripts": 2}, "γεια hi", True),
        ({"pattern": r"\p{Thai}"}, "สวัสดี", True),
        ({"tag": "hard"}, "x", True),
        ({"source": ["chat"]}, "x", True),
        ({"source": ["mail"]}, "x", False),
        ({"source": ["chat"], "min_chars": 2}, "x", False),
    ],
)
def test_slices(predicate: dict[str, Any], text: str, holds: bool) -> None:
    entry = Slice.check({"name": "s", **predicate}, "here")
    assert slices_of(text, ["hard"], "chat", (entry,)) == (["s"] if holds else [])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("slices:\n - {name: s, patern: x}", "slices.0.patern: unknown key (did you mean pattern?)"),
        ("slices:\n - {name: s}", "names no condition"),
        ("slices:\n - {name: s, pattern: '('}", "not a regular expression"),
        ("slices:\n - {name: s, script: Klingon}", "must be one of"),
        ("slices:\n - {name: s, tag: a}\n - {name: s, tag: b}", "is defined twice"),
        ("slice: []", "must hold one key"),
    ],
)
def test_mistakes_in_slices(project: Path, content: str, message: str) -> None:
    write(project / "expectations/colour/slices.yaml", content)
    with pytest.raises(UserError) as raised:
        load_slices("colour")
    assert message in str(raised.value)


SHIPPED = sorted(path.parent.name for path in REPOSITORY.glob("expectations/*/slices.yaml"))
PIECES = (
    "a",
    "字",
    "a: ",
    "a:\n",
    "\n",
    "\n ",
    " ",
    "AAA ",
    "AAA b",
    "; ",
    "2 ",
    "2.",
    "<",
    "@",
    "{",
    "\n a\n",
    "print",
)


@pytest.mark.parametrize("task", SHIPPED)
def test_no_shipped_pattern_explodes_on_the_longest_texts(task: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REPOSITORY)
    slices = load_slices(task)
    assert len(SHIPPED) > 1
    for piece in PIECES:
        # A pattern that takes too long raises UserError.
        slices_of(piece * (50_000 // len(piece)), [], "chat", slices)


def test_a_pattern_that_backtracks_for_ever_is_stopped() -> None:
    greedy = Slice.check({"name": "s", "pattern": "(a|aa)+$"}, "here")
    with pytest.raises(UserError, match="simplify it"):
        slices_of("a" * 100 + "b", [], None, (greedy,))
