"""`still check`: every mistake in what a person writes, in one list, before anything is asked."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from still.check import problems_of
from tests.conftest import Run
from tests.project import JSON_SCHEMA, write

TASK = "colour-json"


def edit(root: Path, change: Callable[[dict[str, Any]], None]) -> None:
    document = yaml.safe_load((root / "params.yaml").read_text())
    change(document[TASK])
    write(root / "params.yaml", yaml.safe_dump(document))


def test_a_valid_project_has_no_problem(project: Path) -> None:
    assert problems_of("colour") == problems_of(TASK) == []


def test_all_mistakes_are_listed_at_once(project: Path, run: Run) -> None:
    def change(section: dict[str, Any]) -> None:
        section["ingest"]["phone_region"] = []
        section["split"]["test"] = 2
        section["train"]["epochs"] = 0
        del section["eval"]

    edit(project, change)
    write(project / f"prompts/{TASK}/teacher.md", "no placeholder")
    write(
        project / f"golden/{TASK}.jsonl", json.dumps({"id": "g", "input": "x", "answer": {"colour": "pink"}})
    )
    ended = run("still.cli", "check", TASK, cwd=project)
    assert ended.returncode == 1
    lines = ended.stderr.splitlines()
    assert len(lines) >= 6
    assert all(line.count("error: ") == 1 and line.startswith("error: ") for line in lines)
    for part in ("ingest.phone_region: unknown key", "split.test:", "train.epochs:", "eval: no block",
                 "teacher.md: {input} occurs 0 times", f"golden/{TASK}.jsonl:1"):  # fmt: skip
        assert sum(part in line for line in lines) == 1, (part, ended.stderr)


@pytest.mark.parametrize(
    ("stage", "key", "value", "problem"),
    [
        ("split", "hard_slices", {"shrot": {"minimum": 1}}, "hard_slices.shrot: neither in slices.yaml nor"),
        ("split", "abstain", ["purple"], "split.abstain: purple: no label of the answer schema"),
        ("dedupe", "slice_minimum", {"injection": 3}, "slice_minimum: injection: no slice in slices.yaml"),
    ],
)
def test_names_that_nothing_defines(project: Path, stage: str, key: str, value: Any, problem: str) -> None:
    edit(project, lambda section: section[stage].update({key: value}))
    (line,) = problems_of(TASK)
    assert line.startswith(f"params.yaml: {TASK}.{stage}.{key}")
    assert problem in line


def test_a_schema_with_a_single_answer(project: Path) -> None:
    schema = {"type": "object", "properties": {"colour": {"const": "red"}}, "required": ["colour"]}
    write(project / f"expectations/{TASK}/answer.schema.json", json.dumps(schema))
    write(project / f"expectations/{TASK}/normalise.yaml", "format: json\nlabel: colour\n")
    assert any("answer.schema.json: allows a single answer" in line for line in problems_of(TASK))


def test_a_value_that_the_student_could_not_write(project: Path) -> None:
    note = {"type": "string", "pattern": "^(?!no).*$"}
    schema = {"type": "object", "properties": {"colour": {"enum": ["red", "blue"]}, "note": note}}
    write(project / f"expectations/{TASK}/answer.schema.json", json.dumps(schema))
    write(project / f"expectations/{TASK}/normalise.yaml", "format: json\nlabel: colour\n")
    assert any("answer.schema.json: note: " in line and "look-around" in line for line in problems_of(TASK))


def test_a_quota_that_the_suite_makes_impossible(project: Path) -> None:
    write(project / f"expectations/{TASK}/slices.yaml", "slices:\n  - {name: tiny, max_chars: 2}\n")
    edit(project, lambda section: section["split"].update(hard_slices={"tiny": {"minimum": 2}}))
    (line,) = problems_of(TASK)
    assert "hard_slices.tiny.minimum: is 2, but" in line
    assert "keeps inputs of 3 to 200 characters only" in line


def test_labels_are_those_of_the_label_key(project: Path) -> None:
    schema: Any = json.loads(json.dumps(JSON_SCHEMA))
    schema["properties"]["colour"] = {"type": "string"}
    write(project / f"expectations/{TASK}/answer.schema.json", json.dumps(schema))
    edit(project, lambda section: section["split"].update(abstain=["any text"]))
    assert problems_of(TASK) == [], "an open label may be anything"


def test_links_may_not_be_stricter_than_dedupe(project: Path) -> None:
    edit(project, lambda section: section["dedupe"].update(meaning=0.5))
    (line,) = problems_of(TASK)
    assert line.startswith(
        f"params.yaml: {TASK}.split.link.meaning: is 0.99, stricter than dedupe.meaning 0.5"
    )
    edit(project, lambda section: section["dedupe"].update(across_labels=True))
    assert problems_of(TASK) == [line], "the key `alarm` is still compared"
    rules = project / f"expectations/{TASK}/normalise.yaml"
    write(rules, rules.read_text().replace("scored: {alarm: alarm_accuracy}", ""))
    assert problems_of(TASK) == []


def test_a_suite_may_not_ask_for_more_samples_than_a_row_gets(project: Path) -> None:
    wanted = {
        "type": "expect_column_values_to_be_between",
        "kwargs": {"column": "valid_samples", "min_value": 3},
        "meta": {"reason": "sample_invalid", "action": "review"},
    }
    suite = {"name": "colours", "expectations": [wanted]}
    write(project / f"expectations/{TASK}/suite.json", json.dumps(suite))
    (line,) = problems_of(TASK)
    assert "generate.samples: a row gets at most 2, but" in line
