"""Made-up replies whose answer is known: every notation in every kind of surrounding text."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

from promptstill.answers.spec import AnswerSpec, Normalisation

LABELS = ["card_arrival", "card_not_working", "exchange-rate", "Lost Or Stolen", "top_up_by_cash", "other"]
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "category": {"type": "string", "enum": LABELS},
        "urgent": {"type": "boolean"},
        "level": {"type": "integer", "minimum": 0},
        "why": {"type": ["string", "null"]},
        "evidence": {"type": "object", "properties": {"span": {"type": "string"}}},
    },
    "required": ["category", "urgent", "level"],
    "additionalProperties": False,
}
SPEC = AnswerSpec(
    SCHEMA,
    Normalisation.check(
        {
            "format": "json",
            "label": "category",
            "python": True,
            "keys": {"category": {"names": ["label", "intent"], "enum_spelling": True}},
        },
        "here",
    ),
)
NOTES = [
    None,
    "plain",
    "the customer's card, isn't it?",
    'says "where is it"',
    "a {brace} and {'category': 'other'}",
    'nested {"category": "other", "urgent": true, "level": 9}',
    "back\\slash, tab\tand\nline",
    "größer, 日本語, हिन्दी, 😀",
    "ends with } and ]",
    "```json",
]


@dataclass(frozen=True)
class Made:
    """A reply of a kind, and its answer; None if a careful reader would not choose one."""

    kind: str
    reply: str
    answer: dict[str, Any] | None


def answer_of(random: Random) -> dict[str, Any]:
    made: dict[str, Any] = {
        "category": random.choice(LABELS),
        "urgent": random.random() < 0.5,
        "level": random.randrange(5),
    }
    if random.random() < 0.7:
        made["why"] = random.choice(NOTES)
    if random.random() < 0.5:
        made["evidence"] = {"span": random.choice(NOTES[1:])}
    return made


def respelt(label: str, random: Random) -> str:
    words = label.replace("_", " ").replace("-", " ")
    return random.choice(
        [label, words, words.title(), words.upper().replace(" ", "-"), words.replace(" ", "_")]
    )


def notations(answer: dict[str, Any], random: Random) -> dict[str, str]:
    """The same answer in every notation that is read."""
    shuffled = dict(random.sample(list(answer.items()), len(answer)))
    loose = {
        {"category": random.choice(["label", "Intent", "Category"]), "level": "LEVEL"}.get(k, k): v
        for k, v in shuffled.items()
    }
    quoted = shuffled | {"level": str(answer["level"]), "urgent": str(answer["urgent"])}
    return {
        "json": json.dumps(answer),
        "indented": json.dumps(shuffled, indent=2, ensure_ascii=False),
        "python": repr(answer),
        "python, other order": repr(shuffled),
        "no spaces": json.dumps(shuffled, separators=(",", ":")),
        "comma at the end": json.dumps(answer, indent=1)[:-2] + ",\n}",
        "python, comma at the end": repr(answer)[:-1] + ", }",
        "other names": json.dumps(loose),
        "python, other names": repr(loose),
        "other spelling": json.dumps(shuffled | {"category": respelt(answer["category"], random)}),
        "quoted values": json.dumps(quoted),
        "float for integer": json.dumps(answer | {"level": float(answer["level"])}),
    }


AROUND = {
    "bare": "{}",
    "spaces": "\n  {} \n",
    "fence": "```json\n{}\n```",
    "python fence": "```python\n{}\n```",
    "prose before": "Sure! Here's the customer's result: {}",
    "prose after": "{}\n\nLet me know if that's what you need.",
    "prose around": 'Based on the text "where is it?", I\'d answer {} - done.',
    "fence in prose": "It isn't urgent.\n\n```json\n{}\n```\nHope that helps!",
    "reasoning": "First, I read the message. It doesn't say {when}. So the set {a, b} is out.\n\n{answer}",
    "formula": "We get $\\frac{1}{2}$ and \\text{other} here.\n\n{answer}",
    "smiley": "Easy one :{ \n{answer}",
    "template first": 'Format: {"category": "<category>", "urgent": true, "level": 0}\nAnswer: {answer}',
    "dots first": 'I fill in {"category": ..., "urgent": ..., "level": ...}.\n{answer}',
    "other object first": 'Input: {"order": 12, "status": "late"}\n{answer}',
    "repeated": "{answer}\n\nFinal: {answer}",
    "boxed": "\\boxed{{answer}}",
    "list of one": "[{answer}]",
    "think": "<think>The user's text isn't clear; {\"a\": 1} no.</think>{answer}",
}


def placed(frame: str, text: str) -> str:
    return frame.replace("{answer}", text) if "{answer}" in frame else frame.replace("{}", text, 1)


def readable(seeds: range) -> Iterator[Made]:
    """Replies with one answer, in every notation and surrounding."""
    for seed in seeds:
        random = Random(seed)
        answer = answer_of(random)
        for notation, text in notations(answer, random).items():
            for kind, frame in AROUND.items():
                yield Made(f"{notation}; {kind}", placed(frame, text), answer)


def doubtful(seeds: range) -> Iterator[Made]:
    """Replies that have no answer, or more than one, or that break off."""
    for seed in seeds:
        random = Random(seed)
        answer = answer_of(random)
        other = answer | {"category": random.choice([x for x in LABELS if x != answer["category"]])}
        write = random.choice([json.dumps, repr])
        first, second = write(answer), random.choice([json.dumps, repr])(other)
        kinds = {
            "two objects": f"{first}\n{second}",
            "list of two": f"[{first}, {second}]",
            "rejected, then another": f"It may be {first}, but that isn't right.\n\nFinal answer: {second}",
            "answer, then a doubt": f"{first}\nHowever, {second} would be possible too.",
            "cut off": first[: random.randrange(1, len(first))],
            "answer, then cut off": f"{first}\nOn second thought: {second[: len(second) // 2]}",
            "broken, then another": f"{first[:-1]} oops}} {second}",
            "another, then broken": f"{second} {first[:-1]} oops}}",
            "in a wrapper": json.dumps({"result": answer}),
            "wrapper, then another": f"{json.dumps({'result': answer})}\n{second}",
            "without quotes": "{category: " + answer["category"] + ", urgent: true, level: 1}",
            "without quotes, then another": f"{{category: {answer['category']}, level: 1}} {second}",
            "curly quotes, then another": f"{json.dumps(answer)[:-1].replace(chr(34), '”')}}} {second}",
            "two names": json.dumps({"label": other["category"], **answer}),
            "two cases": json.dumps({"Category": other["category"], **answer}),
            "repeated key": json.dumps(answer)[:-1] + f', "category": {json.dumps(other["category"])}}}',
            "repeated key in python": repr(answer)[:-1] + f", 'category': {other['category']!r}}}",
            "prose, then another": f"Category: {answer['category']}.\n{second}",
            "list, with an object inside": f"label: {answer['category']}\nwhy: they pasted {second}",
            "code": f"dict(category={answer['category']!r}, urgent=True, level=1)",
            "call inside": repr(answer).replace(repr(answer["category"]), "category.lower()"),
            "joined texts": repr(answer).replace(repr(answer["category"]), "'card_' 'arrival'"),
            "not finite": json.dumps(answer | {"level": float("inf")}),
            "out of range": json.dumps(answer).replace(f'"level": {answer["level"]}', '"level": 1e999'),
            "long number": json.dumps(answer).replace(
                f'"level": {answer["level"]}', '"level": ' + "9" * 5000
            ),
            "deep": "".join('{"category":' for _ in range(3000)),
            "deep in python": "{'category': " + "[" * 3000,
            "other label": json.dumps(answer | {"category": "refund"}),
            "other label, then another": f"{json.dumps(answer | {'category': 'refund'})} {second}",
            "unknown key": json.dumps(answer | {"sure": True}),
            "refusal": "I'm sorry, but I can't help with {this}.",
            "refusal in an object": json.dumps({"error": "I cannot answer that"}),
        }
        yield from (Made(kind, reply, None) for kind, reply in kinds.items())
