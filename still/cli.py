"""`still`: the commands for work by hand. A command imports what it needs when it runs: `--help` is fast."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from promptstill.console.errors import UserError, exit_with
from still.journal_cli import journal
from still.review.cli import review
from still.root import from_here, go_to_root

app = typer.Typer(
    help="Work on a distilled dataset by hand. `dvc repro` builds it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(journal, name="journal")
app.add_typer(review, name="review")

Task = Annotated[str, typer.Argument(help="A task named in params.yaml.")]


@app.command()
def predict(
    task: Task,
    source: Annotated[str, typer.Option("--input", help='JSONL of {"id", "input"}; - for standard input.')],
    target: Annotated[
        str, typer.Option("--output", help="JSONL of id, answer and confidence; - for standard output.")
    ],
) -> None:
    """Answer new rows with the trained student."""
    source, target = from_here(source), from_here(target)
    go_to_root()
    from still.predict import predict_rows

    predict_rows(task, source, target)


@app.command()
def check(
    tasks: Annotated[
        list[str] | None, typer.Argument(help="Tasks named in params.yaml; all by default.")
    ] = None,
) -> None:
    """List everything that is wrong with a task's params and files, before anything is asked."""
    go_to_root()
    from still.check import check_tasks

    check_tasks(tasks or [])


@app.command("import")
def import_(
    task: Task,
    source: Annotated[str, typer.Argument(help="CSV, JSONL, or JSONL of OpenAI chat logs.")],
    source_format: Annotated[
        str, typer.Option("--format", help="csv, jsonl or chat; by default guessed from the file.")
    ] = "",
    columns: Annotated[
        list[str] | None,
        typer.Option("--column", help="FIELD=NAME if a field has another name in the file; repeatable."),
    ] = None,
    timestamp: Annotated[str, typer.Option(help="Of rows that have none: ISO 8601 with a time zone.")] = "",
    origin: Annotated[str, typer.Option("--source", help="Source of rows that name none.")] = "",
) -> None:
    """Append the rows of a file to a task's traffic."""
    path = Path(from_here(source))
    go_to_root()
    from still.import_rows import import_rows

    import_rows(task, path, source_format, columns or [], timestamp, origin, shown=source)


@app.command()
def explain(task: Task, row_id: Annotated[str, typer.Argument(help="The id of a traffic row.")]) -> None:
    """Print the history of one row: its samples, filters, reviews and split."""
    go_to_root()
    from still.explain import explain_row

    explain_row(task, row_id)


@app.command()
def summary() -> None:
    """Show rows, splits and scores of every task on one screen."""
    go_to_root()
    from still.summary import print_summary

    print_summary()


@app.command()
def estimate(task: Task) -> None:
    """Show the requests, cost and time of the next run of generate."""
    go_to_root()
    from still.estimate import print_estimate

    print_estimate(task)


@app.command()
def preview(
    task: Task,
    prompt: Annotated[str, typer.Option(help="The edited prompt.")],
    rows: Annotated[int, typer.Option(min=1, help="Rows to ask about, spread over labels and slices.")] = 50,
) -> None:
    """Show which answers an edited prompt changes, and the cost of asking about all rows again."""
    path = Path(from_here(prompt))
    go_to_root()
    from still.preview import preview as show

    show(task, path, rows)


@app.command()
def dedupe(
    task: Task,
    meaning: Annotated[float | None, typer.Option(help="Threshold for the cosine of the embeddings.")] = None,
    text: Annotated[float | None, typer.Option(help="Threshold for the overlap of the texts.")] = None,
    suggest: Annotated[bool, typer.Option("--suggest", help="Propose thresholds that fit the task.")] = False,
) -> None:
    """Show which near-duplicates other thresholds would connect or separate, or propose thresholds."""
    if suggest and (meaning is not None or text is not None):
        raise UserError("--suggest: proposes thresholds itself; leave out --meaning and --text")
    go_to_root()
    from still.dedupe import show_thresholds, suggest_thresholds

    if suggest:
        suggest_thresholds(task)
    else:
        show_thresholds(task, meaning, text)


@app.command()
def coverage(task: Task) -> None:
    """Show traffic and kept rows by label, slice, source and embedding, and draw a map."""
    go_to_root()
    from still.coverage import show_coverage

    show_coverage(task)


@app.command()
def compare(
    task: Task,
    settings: Annotated[
        list[str],
        typer.Argument(metavar="NAME=VALUE[,VALUE...] ...", help="Params of train; all combinations run."),
    ],
) -> None:
    """Train the student in several configurations, and compare them on validation."""
    go_to_root()
    from still.compare import compare as compare_configurations

    compare_configurations(task, settings)


@app.command()
def curve(
    task: Task,
    baseline_only: Annotated[
        bool, typer.Option("--baseline-only", help="Only the n-grams, which take less than a minute.")
    ] = False,
) -> None:
    """Show how the score on test grows with the train rows and with what they cost."""
    go_to_root()
    from still.curve import curve as draw_curve

    draw_curve(task, baseline_only)


@app.command()
def pin(task: Task) -> None:
    """Keep the splits of today's rows in every later version (data/pinned/, in Git)."""
    go_to_root()
    from still.pin import pin_rows

    pin_rows(task)


@app.command()
def params(task: Task) -> None:
    """Show every setting of a task with its value, its origin and its meaning."""
    go_to_root()
    from still.params import print_params

    print_params(task)


def main() -> None:
    """Run the command line. An error that a user can fix becomes one line and exit status 1."""
    try:
        app(standalone_mode=True)
    except (UserError, OSError) as error:
        exit_with(error)


if __name__ == "__main__":
    main()
