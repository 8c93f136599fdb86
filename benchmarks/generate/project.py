"""A project with one task whose rows are ready to be asked about, as ingest leaves them."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path

import yaml

from benchmarks.generate.client import PROMPT, params, questions, rows
from promptstill.core.files import write_rows
from promptstill.teacher.journal import Journal
from promptstill.teacher.record import Record

TASK = "bench"
# Rows whose records are added in one transaction.
GROUP = 5_000


def make_project(root: Path, url: str, count: int, in_flight: int) -> None:
    """Write everything that `python -m stages.generate bench` reads in `root`."""
    section = {"generate": params(url, in_flight).model_dump(mode="json")}
    files = {
        "params.yaml": yaml.safe_dump({"tasks": [TASK], TASK: section}),
        f"prompts/{TASK}/teacher.md": PROMPT,
        f"expectations/{TASK}/answer.schema.json": json.dumps({"type": "string"}),
        f"expectations/{TASK}/normalise.yaml": "format: text\n",
    }
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content, encoding="utf-8")
    write_rows(root / f"data/ingest/{TASK}/rows.jsonl", rows(count))
    write_rows(root / f"data/ingest/{TASK}/golden.jsonl", [])


def fill_journal(root: Path, url: str, count: int, in_flight: int) -> None:
    """Put an answer for every row into the project's journal."""
    asked = questions(url, in_flight)
    with Journal(root / ".still/journal.sqlite") as journal:
        source = rows(count)
        while group := list(islice(source, GROUP)):
            keys = [request.key for row in group for request in asked.about(row).wanted()]
            journal.add(dict.fromkeys(keys, ANSWER))


ANSWER: Record = {
    "response": "Final Answer: en",
    "finish_reason": "stop",
    "model": "instant",
    "recorded_at": "2026-11-01T00:00:00Z",
    "prompt_tokens": 1500,
    "completion_tokens": 5,
    "task": TASK,
    "kind": "answer",
}
