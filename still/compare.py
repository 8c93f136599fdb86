"""`still compare`: students of several configurations, each of which is an experiment of DVC.

Each runs in a copy of the repository that DVC makes, so the workspace stays as it is. Only validation is
shown: what golden or test chose would score too well on them.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import yaml
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from promptstill.console.errors import UserError
from promptstill.core.files import JsonObject, read_json, replacing, write_json
from promptstill.core.paths import cache_dir, details_file, model_dir
from stages.train.params import TrainParams
from still.experiment import name_of, revision_of, run_experiment, shown
from still.page import Plot, scatter, write_page

# What this machine measured of a configuration: the key in its file, and how a table names it.
SECONDS, LATENCY, RATE = "training_seconds", "single_p50_ms", "rows_per_second"
FIGURES = {
    "validation_accuracy": ("accuracy", "{:.3f}"),
    "validation_loss": ("loss", "{:.4f}"),
    "model_mb": ("MB", "{:.1f}"),
    "trainable_parameters": ("parameters", "{:,}"),
    LATENCY: ("p50 ms", "{:.0f}"),
    RATE: ("rows/s", "{:.1f}"),
    SECONDS: ("train s", "{:.0f}"),
}
# What the page draws the loss against.
AGAINST = {SECONDS: "seconds of training", LATENCY: "median latency of a single request in milliseconds"}
CHOOSE = "Choose by validation alone: golden and test take no part, because they are for scores."


@dataclass(frozen=True)
class Configuration:
    """An experiment by name, and the params that it changes."""

    name: str
    changes: dict[str, Any]


@dataclass(frozen=True)
class Compared:
    """A configuration with its figures by the keys of FIGURES, or with its error.

    A figure that is not known is a text that says why.
    """

    configuration: Configuration
    figures: dict[str, float | str]
    validation_rows: int = 0
    error: str = ""


def compare(task: str, settings: Sequence[str]) -> None:
    """Run the product of `settings`, each `NAME=VALUE[,VALUE...]`; print a table and write a page.

    Raises UserError for a name or a value that `train` does not know, before anything runs, and if every
    configuration fails.
    """
    configurations = configurations_of(task, settings)
    compared = []
    for number, configuration in enumerate(configurations, start=1):
        print(f"{number} of {len(configurations)}: {configuration.name}", file=sys.stderr, flush=True)
        compared.append(compare_one(task, configuration))
    page = cache_dir() / "compare" / f"{task}.html"
    show(task, compared, page)
    if all(entry.error for entry in compared):
        raise UserError(f"{task}: no configuration could be trained; the lines above say why")


def configurations_of(task: str, settings: Sequence[str]) -> list[Configuration]:
    """The product of the values, in the order of the arguments. Raises UserError for what `train` refuses."""
    TrainParams.load(task)
    block = TrainParams.read_block(task)
    assert isinstance(block, dict)
    values: dict[str, list[Any]] = {}
    for setting in settings:
        name, _, listed = setting.partition("=")
        if not name or not all(listed.split(",")):
            raise UserError(
                f"{setting}: not NAME=VALUE[,VALUE...]; write for example learning_rate=0.001,0.002"
            )
        if name in values:
            raise UserError(f"{setting}: {name} is there twice; list its values after one {name}=")
        values[name] = [_read(text, f"{task}.{TrainParams.stage}.{name}") for text in listed.split(",")]
    # Checked together, because one param can make another's value wrong or right.
    made = [
        TrainParams.check({**block, **dict(zip(values, chosen, strict=True))}, f"{task}.{TrainParams.stage}")
        for chosen in product(*values.values())
    ]
    # Of two ways to write a number, params.yaml gets the one that the model makes of both.
    distinct = dict.fromkeys(tuple((name, getattr(params, name)) for name in values) for params in made)
    combined = [dict(changes) for changes in distinct]
    return [Configuration(name_of(task, changes), changes) for changes in combined]


def _read(text: str, where: str) -> Any:  # noqa: ANN401
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        raise UserError(f"{where}: {text!r} is not a value of YAML; correct it") from None


def compare_one(task: str, configuration: Configuration) -> Compared:
    """Run one configuration, and read its figures from the experiment that DVC has committed."""
    with _speed_kept(task) as speed:
        run = run_experiment(task, configuration.name, configuration.changes)
        if run.error:
            return Compared(configuration, {}, error=run.error)
        measured = {} if run.seconds is None else {SECONDS: run.seconds}
        if run.evaluated:
            measured |= {key: read_json(speed)[key] for key in (LATENCY, RATE)}
    revision = revision_of(configuration.name)
    text = subprocess.run(["git", "show", f"{revision}:./dvc.lock"], capture_output=True, check=True).stdout
    outs = {out["path"]: out for out in yaml.safe_load(text)["stages"][f"train@{task}"]["outs"]}
    model = outs[model_dir(task).as_posix()]

    import dvc.api

    trained = json.loads(dvc.api.read(details_file("train", task).as_posix(), rev=revision))
    figures: dict[str, float | str] = {
        **{key: trained[key] for key in FIGURES if key in trained},
        "model_mb": model["size"] / 1e6,
        **dict.fromkeys((LATENCY, RATE), "cached"),
        SECONDS: "resumed" if run.resumed else "cached",
        **_remembered(task, f"{configuration.name} {model['md5']}", measured),
    }
    return Compared(configuration, figures, trained["rows"]["validation"])


@contextmanager
def _speed_kept(task: str) -> Iterator[Path]:
    """Give the file into which eval writes the speed of a student. Afterwards it has that of the workspace's
    student again."""
    path = cache_dir() / "speed" / f"{task}.json"
    before = path.read_bytes() if path.exists() else None
    try:
        yield path
    finally:
        if before is None:
            path.unlink(missing_ok=True)
        else:
            with replacing(path) as partial:
                partial.write_bytes(before)


def _remembered(task: str, key: str, measured: dict[str, float]) -> dict[str, float]:
    """What was measured now, or when an earlier comparison trained these very bytes by this name."""
    path = cache_dir() / "compare" / f"{task}.json"
    kept: JsonObject = read_json(path) if path.exists() else {}
    kept[key] = kept.get(key, {}) | measured
    write_json(path, kept)
    known: dict[str, float] = kept[key]
    return known


def show(task: str, compared: Sequence[Compared], page: Path) -> None:
    """Print the table and what to do with it, and write the page."""
    names = list(compared[0].configuration.changes)
    columns = ["", *names, *(title for title, _ in FIGURES.values())]
    lines = [
        [str(number), *(shown(entry.configuration.changes[name]) for name in names), *_cells(entry)]
        for number, entry in enumerate(compared, start=1)
    ]
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for column in columns:
        table.add_column(column, justify="right", overflow="fold")
    for line in lines:
        table.add_row(*map(Text, line))
    console = Console()
    console.print(table)
    for number, entry in enumerate(compared, start=1):
        text = f"failed: {entry.error}" if entry.error else f"dvc exp apply {entry.configuration.name}"
        console.print(f"{number}  {text}", highlight=False, markup=False, soft_wrap=True)
    advice = advice_on(compared)
    console.print(advice, highlight=False, soft_wrap=True)
    names_of = [entry.configuration.name for entry in compared]
    errors = [entry.error for entry in compared]
    write_page(
        page,
        "compare.html",
        task=task,
        params=len(names),
        columns=columns,
        lines=list(zip(lines, names_of, errors, strict=True)),
        advice=advice,
        scatters=[plot for of, about in AGAINST.items() if (plot := _against(compared, of, about))],
    )
    console.print(f"page: {page}", highlight=False, soft_wrap=True)


def advice_on(compared: Sequence[Compared]) -> str:
    """What a configuration is chosen by, and which differences of accuracy can be chance."""
    trained = [entry for entry in compared if not entry.error]
    if not trained:
        return CHOOSE
    best = max(float(entry.figures["validation_accuracy"]) for entry in trained)
    rows = trained[0].validation_rows
    error = (best * (1 - best) / rows) ** 0.5
    return (
        f"{CHOOSE} With {rows} validation rows, an accuracy of {best:.3f} has a standard error of "
        f"{error:.3f}: a smaller difference can be chance."
    )


def _cells(entry: Compared) -> list[str]:
    if entry.error:
        return ["failed", *[""] * (len(FIGURES) - 1)]
    figures = [(entry.figures[key], form) for key, (_, form) in FIGURES.items()]
    return [value if isinstance(value, str) else form.format(value) for value, form in figures]


def _against(compared: Sequence[Compared], key: str, about: str) -> Plot | None:
    """Validation loss against what a configuration costs, for those whose cost was measured."""
    points = [
        (float(entry.figures[key]), float(entry.figures["validation_loss"]), str(number))
        for number, entry in enumerate(compared, start=1)
        if not entry.error and not isinstance(entry.figures[key], str)
    ]
    return scatter(f"Validation loss by {about}", points) if len(points) > 1 else None
