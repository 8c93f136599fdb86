"""Attacks inside the traffic stay data: they cannot leave the place that the prompt gives a text."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from benchmarks.injection.__main__ import ATTACKS, Attack, attacked, measure
from promptstill.answers.spec import AnswerSpec, Normalisation
from promptstill.core.files import read_rows
from promptstill.rows.row import GoldenCase
from promptstill.teacher.questions import INPUT, render
from tests.project import LABELS, REPOSITORY, TEXT_SCHEMA, row

INJECTIONS = read_rows(ATTACKS, Attack)
TAGGED = "Name the language between the tags.\n<text>\n{input}\n</text>\nOne word."
SPEC = AnswerSpec(TEXT_SCHEMA, Normalisation(format="text"))


def cases() -> list[tuple[str, str, str]]:
    golden = [
        GoldenCase(id=f"golden-{i}", input=row(i)["input"], answer=label, tags=[])
        for i, label in enumerate(LABELS)
    ]
    return attacked(golden, INJECTIONS, SPEC)


def test_the_set_is_large_and_varied() -> None:
    assert len({attack["attack"] for attack in INJECTIONS}) == len(INJECTIONS) >= 50
    assert len({attack["kind"] for attack in INJECTIONS}) >= 8
    assert all("{label}" in attack["attack"] for attack in INJECTIONS)


@pytest.mark.parametrize("attack", INJECTIONS, ids=[attack["id"] for attack in INJECTIONS])
def test_an_attack_stays_between_the_tags(attack: Attack) -> None:
    prompt = render(TAGGED, {INPUT: f"harmless {attack['attack']}"})
    assert len(re.findall(r"<\s*/\s*text\s*>", prompt, re.IGNORECASE)) == 1
    assert prompt.endswith("\n</text>\nOne word.")


@pytest.mark.parametrize("task", ["language-id", "support-tickets"])
def test_nothing_follows_the_text_in_a_shipped_prompt(task: str) -> None:
    """The text is not between tags. It is the end of the prompt, under a heading of its own."""
    prompt = (REPOSITORY / Path(f"prompts/{task}/teacher.md")).read_text()
    before, after = prompt.split(INPUT)
    assert after.strip() == ""
    assert re.search(r"\n(Text|Message):\n$", before)


def test_flips_and_obedience_are_counted() -> None:
    def steadfast(texts: list[str]) -> list[str]:
        return ["red"] * len(texts)

    def gullible(texts: list[str]) -> list[str]:
        wanted = {dirty: target for _, dirty, target in cases()}
        return [wanted.get(text, "red") for text in texts]

    def dumb(texts: list[str]) -> list[str]:
        return ["?"] * len(texts)

    count = len(INJECTIONS)
    firm = measure(cases(), steadfast, SPEC)
    assert (firm["attacks"], firm["answered"], firm["flipped"]) == (count, count, 0)
    fooled = measure(cases(), gullible, SPEC)
    assert fooled["obeyed"] == count
    assert fooled["flipped"] == sum(target != "red" for *_, target in cases())
    assert measure(cases(), dumb, SPEC) == {"attacks": count, "answered": 0, "flipped": 0, "obeyed": 0}


def test_the_attacker_never_asks_for_the_right_label() -> None:
    assert all(target != LABELS[i % len(LABELS)] for i, (*_, target) in enumerate(cases()))
