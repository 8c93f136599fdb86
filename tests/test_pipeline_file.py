"""The pipeline file: what stages declare, and what a change therefore runs."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from promptstill.rows.identity import input_hash
from tests.pipeline import STAGES, dvc, stages_run
from tests.project import REPOSITORY, golden_case, read_lines, record_answers, write, write_lines

PIPELINE = yaml.safe_load((REPOSITORY / "dvc.yaml").read_text())["stages"]
# Stages that take minutes name the files that they import; the others may name rooms.
EXPENSIVE = {"train"}


def imported_by(path: Path) -> Iterator[str]:
    """Names of modules, and of what might be modules, that a file imports, at its top or inside functions."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def code_of(stage: str) -> set[str]:
    """The files of promptstill that a stage's code reaches through imports, without the console."""
    reached: set[str] = set()
    waiting = sorted((REPOSITORY / f"stages/{stage}").glob("*.py"))
    while waiting:
        for module in imported_by(waiting.pop()):
            path = module.replace(".", "/") + ".py"
            shared = module.startswith("promptstill.") and not module.startswith("promptstill.console")
            if shared and path not in reached and (REPOSITORY / path).exists():
                reached.add(path)
                waiting.append(REPOSITORY / path)
    return reached


def shared_deps(stage: str) -> list[str]:
    return [dep for dep in PIPELINE[stage]["deps"] if dep.startswith("promptstill/")]


def covers(dep: str, path: str) -> bool:
    return path == dep or path.startswith(f"{dep}/")


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_declares_the_code_that_it_imports_and_no_other(stage: str) -> None:
    declared, reached = shared_deps(stage), code_of(stage)
    assert reached
    assert [path for path in sorted(reached) if not any(covers(dep, path) for dep in declared)] == []
    assert [dep for dep in declared if not any(covers(dep, path) for path in reached)] == []
    assert f"stages/{stage}" in PIPELINE[stage]["deps"]


@pytest.mark.parametrize("stage", sorted(EXPENSIVE))
def test_an_expensive_stage_depends_on_nothing_that_it_does_not_import(stage: str) -> None:
    files = {
        str(path.relative_to(REPOSITORY))
        for dep in shared_deps(stage)
        for path in ([REPOSITORY / dep] if dep.endswith(".py") else (REPOSITORY / dep).glob("*.py"))
        if path.name != "__init__.py"
    }
    assert files == code_of(stage)


def test_shared_dependencies_stay_few() -> None:
    assert sum(len(shared_deps(stage)) for stage in STAGES) <= 42


def test_no_stage_depends_on_the_console() -> None:
    assert list((REPOSITORY / "promptstill/console").glob("*.py"))
    assert [dep for stage in STAGES for dep in shared_deps(stage) if "console" in dep] == []


def test_eval_reaches_no_code_of_ray() -> None:
    assert "promptstill/near/vectors.py" in code_of("eval")
    assert not {"promptstill/near/ray_engine.py", "promptstill/near/engine.py"} & code_of("eval")


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_has_a_description_and_owns_its_params(stage: str) -> None:
    assert PIPELINE[stage]["desc"]
    assert PIPELINE[stage]["matrix"] == {"task": "${tasks}"}
    owned = (REPOSITORY / f"stages/{stage}/params.py").exists()
    assert PIPELINE[stage].get("params", []) == ([f"${{item.task}}.{stage}"] if owned else [])


def test_golden_does_not_flow_into_training() -> None:
    deps = PIPELINE["train"]["deps"]
    assert [dep for dep in deps if dep.startswith(("data/", "golden", "metrics"))] == [
        "data/split/${item.task}/train.jsonl",
        "data/split/${item.task}/validation.jsonl",
        "data/split/${item.task}/certified.json",
    ]


def changed_stages(project: Path) -> list[str]:
    """Stages that DVC sees as changed."""
    status = dvc(project, "status", "--json")
    assert status.returncode == 0, status.stderr
    return sorted(yaml.safe_load(status.stdout))


def test_an_edit_of_the_console_changes_no_stage(clone: Path) -> None:
    for path in (clone / "promptstill/console").glob("*.py"):
        write(path, path.read_text() + "\n# An edit that no out can depend on.\n")
    assert changed_stages(clone) == []


def test_a_new_golden_case_is_asked_about_and_judged_but_trains_nothing(
    clone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    golden = clone / "golden/colour.jsonl"
    write_lines(golden, [*read_lines(golden), golden_case(7, str) | {"id": "golden-new"}])
    dry = dvc(clone, "repro", "--dry")
    assert dry.returncode == 0, dry.stderr
    assert stages_run(dry) == ["ingest@colour"]

    assert dvc(clone, "repro", "ingest@colour").returncode == 0
    monkeypatch.chdir(clone)
    record_answers(clone, "colour")
    ended = dvc(clone, "repro")
    assert ended.returncode == 0, ended.stderr
    assert stages_run(ended) == [f"{stage}@colour" for stage in ("generate", "split", "eval", "report")]


def test_a_decision_of_a_person_asks_the_teacher_nothing(clone: Path) -> None:
    reviews = clone / "data/reviews/colour.jsonl"
    train = read_lines(clone / "data/split/colour/train.jsonl")
    first = next(row for row in train if row["label"] != "blue")
    decision = {"decision": "edit", "answer": "blue", "teacher_answer": first["answer"]}
    who = {"input_hash": input_hash(first["input"]), "reviewer": "Ada", "at": "2026-04-01T00:00:00Z"}
    write_lines(reviews, [*read_lines(reviews), who | decision])
    assert changed_stages(clone) == ["review@colour", "validate@colour"]
    ended = dvc(clone, "repro", "split@colour", "review@colour")
    assert ended.returncode == 0, ended.stderr
    ran = {f"{stage}@colour" for stage in ("validate", "dedupe", "review", "split")}
    assert set(stages_run(ended)) == ran
    rows = {row["id"]: row for row in read_lines(clone / "data/validate/colour/rows.jsonl")}
    assert (rows[first["id"]]["answer"], rows[first["id"]]["edited"]) == ("blue", True)
