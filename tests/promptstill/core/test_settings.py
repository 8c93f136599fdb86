"""Params: mistakes are one line with the path of the key, and every key that is in params.yaml works."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from promptstill.console.errors import UserError
from promptstill.core.settings import StageParams, read_yaml
from stages.dedupe.params import DedupeParams
from stages.split.params import SplitParams
from still.params import BLOCKS
from tests.project import REPOSITORY, write


@pytest.mark.parametrize("model", BLOCKS)
def test_the_shipped_params_are_valid(model: type[StageParams], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REPOSITORY)
    for task in yaml.safe_load((REPOSITORY / "params.yaml").read_text())["tasks"]:
        assert model.load(task) == model.load(task)


def edit(project: Path, path: list[str], value: Any) -> None:
    document = yaml.safe_load((project / "params.yaml").read_text())
    block = document
    for key in path[:-1]:
        block = block[key]
    block[path[-1]] = value
    write(project / "params.yaml", yaml.safe_dump(document))


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (["dedupe", "treshold"], 1, "params.yaml: colour.dedupe.treshold: unknown key"),
        (["dedupe", "meanin"], 1, "colour.dedupe.meanin: unknown key (did you mean meaning?)"),
        (["dedupe", "meaning"], 2, "colour.dedupe.meaning: input should be less than or equal to 1, got 2"),
        (["dedupe"], {"engine": "local", "encoder": "x", "meaning": 1}, "colour.dedupe.text: missing"),
        (["dedupe"], ["x"], "colour.dedupe: "),
        (["dedupe", "engine"], "dask", "colour.dedupe.engine: input should be 'local' or 'ray', got 'dask'"),
        (["split", "link", "mening"], 1, "colour.split.link.mening: unknown key (did you mean meaning?)"),
        (
            ["split", "hard_slices", "email_rows", "minimun"],
            1,
            "colour.split.hard_slices.email_rows.minimun: unknown key (did you mean minimum?)",
        ),
        (["split", "test"], 0.95, "leave nothing to train on"),
    ],
)
def test_a_mistake_is_an_error_with_the_path_of_its_key(
    project: Path, path: list[str], value: Any, message: str
) -> None:
    edit(project, ["colour", *path], value)
    with pytest.raises(UserError) as raised:
        DedupeParams.load("colour")
        SplitParams.load("colour")
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("2026-02-30", "day is out of range"),
        ("1" * 5000, "5000 digits"),
        ("[" * 3000, "recursion"),
        ("!!bool maybe", "maybe"),
        ("!!python/object:os.system x", "could not determine a constructor"),
        ("0x" + "f" * 4000, "4300 digits"),
        ('"\\uD800"', "surrogates not allowed"),
        ("1\ncolour: 2", "the key colour is there twice"),
    ],
)
def test_a_value_that_yaml_cannot_read_is_one_line(tmp_path: Path, value: str, message: str) -> None:
    write(tmp_path / "x.yaml", f"colour: {value}")
    with pytest.raises(
        UserError, match=rf"x.yaml(:2|:1)?: not YAML \(.*{message}.*\); fix the (line|value)$"
    ):
        read_yaml(tmp_path / "x.yaml")


def test_a_merged_mapping_may_repeat_a_key(tmp_path: Path) -> None:
    write(tmp_path / "x.yaml", "a: &a {one: 1, two: 2}\nb: {<<: *a, two: 3}\nc: {two: 3, <<: *a}\n")
    assert read_yaml(tmp_path / "x.yaml") == {
        "a": {"one": 1, "two": 2},
        "b": {"one": 1, "two": 3},
        "c": {"one": 1, "two": 3},
    }


def test_a_mapping_that_is_merged_before_it_is_read_may_repeat_a_merged_key(tmp_path: Path) -> None:
    write(tmp_path / "x.yaml", "a: &a {k: 0}\nb: {c: {d: &d {<<: *a, k: 1}}}\ne: {<<: *d}\n")
    assert read_yaml(tmp_path / "x.yaml") == {"a": {"k": 0}, "b": {"c": {"d": {"k": 1}}}, "e": {"k": 1}}


def test_a_number_and_its_text_are_different_keys(tmp_path: Path) -> None:
    write(tmp_path / "x.yaml", "{1: a, '1': b}\n")
    assert read_yaml(tmp_path / "x.yaml") == {1: "a", "1": "b"}


def test_a_number_that_is_not_finite_is_no_setting(project: Path) -> None:
    edit(project, ["colour", "split", "link", "meaning"], float("nan"))
    with pytest.raises(UserError, match=r"colour.split.link.meaning: input should be a finite number"):
        SplitParams.load("colour")


def test_unknown_task_section_and_block(project: Path) -> None:
    with pytest.raises(UserError, match=r"no task 'color' \(did you mean colour\?\)"):
        DedupeParams.load("color")
    edit(project, ["colour"], {"dedup": {}})
    with pytest.raises(UserError, match=r"colour.dedupe: no block \(did you mean dedup\?\)"):
        DedupeParams.load("colour")
    edit(project, ["colour"], None)
    with pytest.raises(UserError, match="colour: no section"):
        DedupeParams.load("colour")
    write(project / "params.yaml", "tasks: [a\n")
    with pytest.raises(UserError, match=r"params.yaml:2: not YAML"):
        DedupeParams.load("colour")
    (project / "params.yaml").unlink()
    with pytest.raises(UserError, match=r"params.yaml: no such file"):
        DedupeParams.load("colour")


def leaves(block: dict[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    """Path and value of every key that is not a block itself."""
    for key, value in block.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, f"{path}{key}.")
        else:
            yield f"{path}{key}", value


def unset(block: dict[str, Any]) -> dict[str, Any]:
    """A block whose keys have no value yet."""
    return {key: unset(value) if isinstance(value, dict) and value else None for key, value in block.items()}


def test_an_experiment_can_set_every_key_of_the_shipped_params(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`dvc exp run -S` writes overrides with the function that is called here."""
    from dvc.utils.hydra import apply_overrides

    document = yaml.safe_load((REPOSITORY / "params.yaml").read_text())
    document.pop("tasks")
    monkeypatch.chdir(tmp_path)
    for task, blocks in document.items():
        (tmp_path / "params.yaml").write_text(yaml.safe_dump({"tasks": [task], task: unset(blocks)}))
        values = {f"{task}.{path}": value for path, value in leaves(blocks)}
        texts = {
            path: yaml.safe_dump(value, default_flow_style=True, width=10**6).removesuffix("...\n").strip()
            for path, value in values.items()
        }
        apply_overrides(tmp_path / "params.yaml", [f"{path}={text}" for path, text in texts.items()])
        assert yaml.safe_load((tmp_path / "params.yaml").read_text()) == {"tasks": [task], task: blocks}
        for model in BLOCKS:
            model.load(task)
