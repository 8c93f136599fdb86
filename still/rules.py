"""The numbered rules of a teacher's prompt: slices.yaml names those that decide the rows of a slice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import regex

from promptstill.core.paths import expectation_file, prompt_file
from promptstill.rows.slices import Slice

# "3. Text" or "3) Text" at the beginning of a line, with the lines behind it that are indented.
RULE = regex.compile(r"(?m)^[ \t]*(\d{1,3})[.)][ \t]+(.+(?:\n[ \t]+\S.*)*)")


def numbered_rules(prompt: str) -> dict[int, str]:
    """The rules by their numbers, each on one line. A number that several rules have is left out."""
    rules = [(int(number), " ".join(text.split())) for number, text in RULE.findall(prompt)]
    count = Counter(number for number, _ in rules)
    return {number: text for number, text in rules if count[number] == 1}


def unknown_rules(task: str, slices: Sequence[Slice]) -> Iterator[str]:
    """The rules that slices name and the prompt does not have, one line each."""
    path = prompt_file(task)
    if not path.is_file():
        return
    known = numbered_rules(path.read_text(encoding="utf-8"))
    for entry in slices:
        for number in entry.rules:
            if number not in known:
                yield (
                    f"{expectation_file(task, 'slices.yaml')}: slice {entry.name}: rules: {path} has no rule "
                    f"{number}, or several; correct or remove it"
                )
