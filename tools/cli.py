"""`still`: the commands for work done by hand. Each imports what it needs when it runs, so that help is
instant."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from stages.shared.errors import UserError, exit_with
from stages.shared.paths import PARAMS

app = typer.Typer(
    help="Work on a distilled dataset by hand; `dvc repro` builds it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Task = Annotated[str, typer.Argument(help="A task named in params.yaml.")]


@app.command()
def predict(
    task: Task,
    source: Annotated[str, typer.Option("--input", help='JSONL of {"id", "input"}; - for standard input.')],
    target: Annotated[
        str, typer.Option("--output", help='JSONL of {"id", "answer", "confidence"}; - for standard output.')
    ],
) -> None:
    """Answer new rows with the trained student."""
    source, target = from_here(source), from_here(target)
    go_to_root()
    from tools.predict import predict_rows

    predict_rows(task, source, target)


@app.command("import")
def import_(
    task: Task,
    source: Annotated[str, typer.Argument(help="CSV, JSONL, or JSONL of OpenAI chat logs.")],
    source_format: Annotated[
        str, typer.Option("--format", help="csv, jsonl or chat; by default told from the file.")
    ] = "",
    columns: Annotated[
        list[str] | None,
        typer.Option("--column", help="FIELD=NAME where a field has another name there; repeatable."),
    ] = None,
    timestamp: Annotated[str, typer.Option(help="For rows without one, ISO 8601 with a time zone.")] = "",
    origin: Annotated[
        str, typer.Option("--source", help="For rows that do not say where they came from.")
    ] = "",
) -> None:
    """Append rows of a file to a task's traffic."""
    path = Path(from_here(source))
    go_to_root()
    from tools.import_rows import import_rows

    import_rows(task, path, source_format, columns or [], timestamp, origin)


@app.command()
def explain(task: Task, row_id: Annotated[str, typer.Argument(help="The id of a traffic row.")]) -> None:
    """Tell the whole story of one row: who said what about it, which filters it met, where it went."""
    go_to_root()
    from tools.explain import explain_row

    explain_row(task, row_id)


@app.command()
def summary() -> None:
    """Say on one screen what was built and how good it is."""
    go_to_root()
    from tools.summary import print_summary

    print_summary()


def from_here(path: str) -> str:
    """A path as it is meant where the command was typed; - stays as it is."""
    return path if path == "-" else os.path.relpath(Path(path).absolute(), root())


def root() -> Path:
    """The nearest folder upwards that holds params.yaml. Raises UserError where there is none."""
    here = Path.cwd()
    found = next((folder for folder in [here, *here.parents] if (folder / PARAMS).exists()), None)
    if found is None:
        raise UserError(f"{here}: no {PARAMS} here or above; change to a clone of the project")
    return found


def go_to_root() -> None:
    """Change to the root of the project, which every path of the project is relative to."""
    os.chdir(root())


def main() -> None:
    """Run the command line; what a user can fix becomes one line and exit status 1."""
    try:
        app(standalone_mode=True)
    except (UserError, OSError) as error:
        exit_with(error)


if __name__ == "__main__":
    main()
