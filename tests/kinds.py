"""Tasks of each kind, as a person adds them: only files, and what the teacher replies."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.project import PLACES, label_of, reply_to, row, write, write_lines
from tests.promptstill.answers.grounded import REFUSAL, RULES, SCHEMA

REFUSED = {"answer": REFUSAL, "citations": []}
NOWHERE = "Atlantis"


@dataclass(frozen=True)
class Kind:
    """A task: what the teacher replies to an input, the labels that come out, and what replaces the files and
    the settings of a task whose answers are labels."""

    task: str
    reply: Callable[[str], str]
    labels: set[str]
    schema: dict[str, Any] | None = None
    rules: dict[str, Any] | None = None
    text: Callable[[int], str] | None = None
    dedupe: dict[str, Any] | None = None


def page(number: int) -> str:
    """Two passages and a question about the place of one of them, or about a place that none names."""
    passages = [row(100 + 2 * number + i)["input"].split(", then")[0] for i in range(2)]
    place = NOWHERE if number % 3 == 0 else place_in(passages[number % 2])
    listed = [f"[{i}] {text}" for i, text in enumerate(passages, start=1)]
    return "\n".join([*listed, f"Question: What about {place}?"])


def place_in(text: str) -> str:
    """The first place that a text names."""
    return min((place for place in PLACES if place in text), key=text.index)


def grounded(text: str) -> str:
    """What a perfect teacher replies to `page`, with a refusal in other words than the sentence's own."""
    place = text.rsplit(" ", 1)[1].rstrip("?")
    cited = re.findall(rf"(?m)^\[(\d+)\] (In {place} .*)$", text)
    if not cited:
        return json.dumps({"answer": REFUSAL.removesuffix("."), "citations": []})
    number, passage = cited[0]
    return json.dumps({"answer": f"In {place} it was {label_of(passage)}.", "citations": [int(number)]})


def described(text: str) -> str:
    """What a perfect teacher writes about a text of `row`."""
    return f"The first thing that is named is {label_of(text)}, as far as I can see."


KINDS = (
    Kind("colour", lambda text: reply_to(text, as_json=False), {"red", "green", "blue"}),
    Kind("colour-json", lambda text: reply_to(text, as_json=True), {"red", "green", "blue"}),
    Kind(
        "page",
        grounded,
        {"answered", "refused"},
        SCHEMA,
        RULES,
        page,
        {"part": r"\nQuestion: (.*)"},
    ),
    Kind(
        "prose",
        described,
        {"(text)"},
        {"type": "string", "minLength": 1},
        {"format": "text", "value": {"compare": "text", "same_from": 0.6}},
    ),
)


def add(root: Path, kind: Kind) -> None:
    """Replace what the project's task of this name has by what the kind has."""
    expectations = root / "expectations" / kind.task
    if kind.schema is not None:
        write(expectations / "answer.schema.json", json.dumps(kind.schema))
    if kind.rules is not None:
        write(expectations / "normalise.yaml", yaml.safe_dump(kind.rules, sort_keys=False))
    if kind.text is not None:
        write_lines(root / f"data/traffic/{kind.task}.jsonl", [row(i, input=kind.text(i)) for i in range(48)])
    if kind.dedupe is not None:
        document = yaml.safe_load((root / "params.yaml").read_text())
        document[kind.task]["dedupe"] |= kind.dedupe
        write(root / "params.yaml", yaml.safe_dump(document, sort_keys=False))
    golden = root / f"golden/{kind.task}.jsonl"
    cases = [json.loads(line) for line in golden.read_text(encoding="utf-8").splitlines()]
    if kind.schema is SCHEMA:
        cases = [case | {"input": f"[1] {case['input']}", "answer": REFUSED} for case in cases]
    elif kind.schema is not None:
        cases = [case | {"answer": f"It is {case['answer']}."} for case in cases]
    write_lines(golden, cases)
