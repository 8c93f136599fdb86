"""A small project in a folder of its own: one text task, one JSON task, a tiny random student."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from tests.params import section

REPOSITORY = Path(__file__).resolve().parent.parent
LABELS = ("red", "green", "blue")
WORDS = {
    "red": ["apple", "cherry", "brick", "rose", "tomato", "ruby", "fire", "lobster"],
    "green": ["grass", "leaf", "lime", "frog", "moss", "emerald", "pea", "cactus"],
    "blue": ["sky", "ocean", "jeans", "sapphire", "whale", "iris", "cobalt", "ice"],
}
PLACES = [
    *("Oslo", "Lima", "Cairo", "Quito", "Tunis", "Hanoi", "Perth", "Delhi"),
    *("Minsk", "Accra", "Sofia", "Dakar", "Malmo", "Turin", "Essen"),
]
VERBS = ["found", "painted", "dropped", "bought", "described", "borrowed", "counted", "photographed"]

TEXT_SCHEMA = {"type": "string", "enum": list(LABELS)}
JSON_SCHEMA = {
    "type": "object",
    "properties": {
        "colour": {"type": "string", "enum": list(LABELS)},
        "sure": {"type": "number", "enum": [0.5, 0.9]},
        "alarm": {"enum": ["fire", None]},
    },
    "required": ["colour", "sure", "alarm"],
    "additionalProperties": False,
}
SUITE = {
    "name": "colours",
    "expectations": [
        {
            "type": "expect_column_values_to_be_null",
            "kwargs": {"column": "problem"},
            "meta": {"reason": "invalid_answer", "action": "reject"},
        },
        {
            "type": "expect_column_values_to_be_between",
            "kwargs": {"column": "input_chars", "min_value": 3, "max_value": 200},
            "meta": {"reason": "input_length", "action": "reject"},
        },
        {
            "type": "expect_column_values_to_be_between",
            "kwargs": {"column": "agreement", "min_value": 1.0},
            "meta": {"reason": "samples_disagree", "action": "review"},
        },
    ],
}


def row(number: int, label: str = "", **changes: Any) -> dict[str, Any]:
    """A traffic row about something of a colour; every third row of a label is by the same account."""
    label = label or LABELS[number % 3]
    word = WORDS[label][number // 3 % 8]
    text = (
        f"In {PLACES[number % 15]} we {VERBS[number * 5 % 8]} a {word} and {number * 37 % 101} more, "
        f"then {VERBS[number * 3 % 8]} the {WORDS[label][number * 7 % 8]} near {PLACES[number * 11 % 15]}"
    )
    made = {
        "id": f"row-{number:03}",
        "input": text,
        "source": "chat" if number % 2 else "email",
        "account": f"acct-{number // 2:03}",
        "thread": None,
        "timestamp": f"2026-03-{1 + number // 24:02}T{number % 24:02}:00:00Z",
    }
    return made | changes


def label_of(text: str) -> str:
    """The right answer about a text: the colour of the first thing named in it."""
    positions = {
        label: min((text.find(w) for w in words if w in text), default=10**6)
        for label, words in WORDS.items()
    }
    return min(positions, key=lambda label: positions[label])


def golden_case(number: int, answer: Any) -> dict[str, Any]:
    """A golden case whose wording no traffic row has."""
    label = LABELS[number % 3]
    return {
        "id": f"golden-{number:02}",
        "input": f"{WORDS[label][number % 8]} is what my aunt asked for on day {number}, please advise",
        "answer": answer(label),
        "tags": [],
    }


def write(path: Path, content: str) -> None:
    """Write a text file, with its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")


def write_lines(path: Path, rows: list[dict[str, Any]]) -> None:
    """Write JSONL."""
    write(path, "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in rows))


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Read JSONL."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def configure(root: Path, task: str = "colour", **generate: Any) -> None:
    """Write one task's section anew, with other settings of generate."""
    document = yaml.safe_load((root / "params.yaml").read_text())
    document[task] = section(**generate)
    write(root / "params.yaml", yaml.safe_dump(document, sort_keys=False))


def make_project(root: Path, rows: int = 48, tasks: tuple[str, ...] = ("colour", "colour-json")) -> None:
    """Write every file that a person writes, for a text task and a JSON task over the same traffic."""
    sections = {task: section() for task in tasks}
    write(root / "params.yaml", yaml.safe_dump({"tasks": list(tasks), **sections}, sort_keys=False))
    for task in tasks:
        is_json = task.endswith("json")
        expectations = root / "expectations" / task
        write(expectations / "answer.schema.json", json.dumps(JSON_SCHEMA if is_json else TEXT_SCHEMA))
        write(expectations / "suite.json", json.dumps(SUITE, indent=1))
        write(
            expectations / "normalise.yaml",
            "format: json\nlabel: colour\nscored: {alarm: alarm_accuracy}\nconfidence: sure\n"
            if is_json
            else "format: text\nvalue: {case: lower}\n",
        )
        write(expectations / "slices.yaml", "slices:\n  - {name: email_rows, source: [email]}\n")
        write(
            root / f"prompts/{task}/teacher.md",
            "Name the colour of the thing. Keep {braces}.\n\nText:\n{input}\n",
        )
        write_lines(root / f"data/traffic/{task}.jsonl", [row(i) for i in range(rows)])
        write(root / f"data/reviews/{task}.jsonl", "")
        write(root / f"data/pinned/{task}.jsonl", "")
        answer = (lambda label: {"colour": label, "sure": 0.9, "alarm": None}) if is_json else str
        write_lines(root / f"golden/{task}.jsonl", [golden_case(i, answer) for i in range(6)])


def record_answers(root: Path, task: str, reply: Callable[[str], str] | None = None) -> None:
    """Record what a teacher, by default a perfect one, says about every request of the task, as
    `data/recorded/` holds it.

    Runs in `root`, after ingest.
    """
    reply = reply or partial(reply_to, as_json=task.endswith("json"))
    from promptstill.rows.row import Input
    from promptstill.teacher.questions import Questions
    from stages.generate.params import GenerateParams

    inputs = [
        entry
        for name in ("rows", "golden")
        for entry in read_lines(root / f"data/ingest/{task}/{name}.jsonl")
    ]
    questions = Questions.load(task, GenerateParams.load(task))
    recorded = [
        {
            "key": request.key,
            "response": reply(entry["input"]),
            "model": "test-teacher",
            "recorded_at": "2026-11-01T00:00:00Z",
        }
        for entry in inputs
        for request in questions.about(Input(id=entry["id"], input=entry["input"])).wanted()
    ]
    write_lines(root / f"data/recorded/{task}.jsonl", recorded)


def reply_to(text: str, as_json: bool) -> str:
    """What a perfect teacher replies."""
    label = label_of(text)
    return json.dumps({"colour": label, "sure": 0.9, "alarm": None}) if as_json else label


def make_tiny_student(folder: Path) -> None:
    """A Llama with two layers of width 32 and a byte-level tokenizer, random from a fixed seed."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    from promptstill.core.resolve import CHATML

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=special, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    tokenizer.train_from_iterator([row(i)["input"] for i in range(48)], trainer)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|im_end|>", pad_token="<|im_end|>")
    fast.chat_template = CHATML
    torch.manual_seed(7)
    config = LlamaConfig(
        vocab_size=len(fast),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        eos_token_id=fast.eos_token_id,
        pad_token_id=fast.pad_token_id,
        tie_word_embeddings=True,
    )
    model = LlamaForCausalLM(config)
    # Wide embeddings, which are the output head too: with narrow ones no adapter could move a logit by much.
    torch.nn.init.normal_(model.get_input_embeddings().weight, std=0.5)
    model.save_pretrained(folder)
    fast.save_pretrained(folder)


def with_pipeline(root: Path) -> None:
    """Add the pipeline and the stages, as a clone has them."""
    for name in ("dvc.yaml", ".dvcignore", ".gitignore"):
        shutil.copy(REPOSITORY / name, root / name)
    for name in ("promptstill", "stages", "still", "requirements"):
        shutil.copytree(REPOSITORY / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    write(root / ".dvc/config", (REPOSITORY / ".dvc/config").read_text())
    write(root / ".dvc/.gitignore", (REPOSITORY / ".dvc/.gitignore").read_text())
    shutil.copytree(REPOSITORY / ".dvc/plots", root / ".dvc/plots")
