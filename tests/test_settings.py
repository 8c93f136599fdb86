from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from stages.dedupe.params import DedupeParams
from stages.eval.params import EvalParams
from stages.generate.params import GenerateParams
from stages.ingest.params import IngestParams
from stages.shared.errors import UserError
from stages.shared.settings import StageParams
from stages.split.params import SplitParams
from stages.train.params import TrainParams
from tests.project import REPOSITORY, write

ALL: tuple[type[StageParams], ...] = (
    IngestParams,
    GenerateParams,
    DedupeParams,
    SplitParams,
    TrainParams,
    EvalParams,
)


@pytest.mark.parametrize("model", ALL)
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
def test_a_mistake_is_told_with_the_path_of_its_key(
    project: Path, path: list[str], value: Any, message: str
) -> None:
    edit(project, ["colour", *path], value)
    with pytest.raises(UserError) as told:
        DedupeParams.load("colour")
        SplitParams.load("colour")
    assert message in str(told.value)


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
