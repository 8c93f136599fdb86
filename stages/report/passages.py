"""An input as a page shows it: the passages that answers cite in full, and the others folded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import regex

from promptstill.answers.citing import cited_numbers
from promptstill.answers.schema.passages import outside, passages
from promptstill.answers.spec import AnswerSpec
from promptstill.rows.row import Answer


@dataclass(frozen=True)
class Shown:
    """The text outside the passages; the cited passages, each with the names of the answers that cite it; and
    the other passages. Passages begin with their number in brackets. An input without any is text only."""

    text: str
    cited: list[tuple[str, str]] = field(default_factory=list)
    others: list[str] = field(default_factory=list)


def shown(text: str, answers: Mapping[str, Answer | None], spec: AnswerSpec) -> Shown:
    """An input with the answers to it by name."""
    rules = spec.rules.citations
    parts = {} if rules is None else passages(text, rules.passages)
    if rules is None or not parts:
        return Shown(text)
    around = regex.split(r"\s*\n\s*", outside(text, rules.passages).strip())
    cited, others = [], []
    for number, part in parts.items():
        whole = f"[{number}] {part}"
        names = [name for name, answer in answers.items() if number in _cited(answer, rules.key)]
        if names:
            cited.append((whole, ", ".join(names)))
        else:
            others.append(whole)
    return Shown("\n".join(around), cited, others)


def _cited(answer: Answer | None, key: str) -> list[int]:
    return [] if answer is None else cited_numbers(answer, key)
