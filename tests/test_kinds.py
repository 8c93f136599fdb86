"""A task of each kind is added by files alone, and built from its recorded answers to certified splits."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from stages.dedupe.__main__ import main as dedupe
from stages.generate.__main__ import main as generate
from stages.ingest.__main__ import main as ingest
from stages.split.__main__ import main as split
from stages.validate.__main__ import main as validate
from tests.kinds import KINDS, REFUSED, Kind, add
from tests.project import make_project, read_lines, record_answers


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.task)
def test_a_task_of_each_kind_is_built_without_any_code(
    kind: Kind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_project(tmp_path, tasks=(kind.task,))
    add(tmp_path, kind)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PROMPTSTILL_HOME", str(tmp_path / ".still"))
    ingest(kind.task)
    record_answers(tmp_path, kind.task, kind.reply)
    for stage in (generate, validate, dedupe, split):
        stage(kind.task)

    folder = tmp_path / "data/split" / kind.task
    parts = {name: read_lines(folder / f"{name}.jsonl") for name in ("train", "validation", "test")}
    assert all(parts.values())
    rows = [row for part in parts.values() for row in part]
    assert {row["label"] for row in rows} == kind.labels
    assert all(row["agreement"] == 1 and row["problem"] is None for row in rows)
    pairs = json.loads((folder / "leaks.json").read_text())["pairs"]
    assert all(pair["shared_keys"] == pair["near_pairs"] == 0 for pair in pairs.values())
    refused = [row for row in rows if row["label"] == "refused"]
    assert all(row["answer"] == REFUSED and row["repairs"] == ["refusal_wording"] for row in refused)
    assert all(row["answer"]["citations"] for row in rows if row["label"] == "answered")
