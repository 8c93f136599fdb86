"""`still review`: the commands."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from still.root import from_here, go_to_root

Task = Annotated[str, typer.Argument(help="A task named in params.yaml.")]
Format = Annotated[str, typer.Option("--format", help="csv, label-studio or argilla.")]


class _TaskFirst(TyperGroup):
    """`still review TASK` is `still review open TASK`."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:  # noqa: ANN401
        return super().resolve_command(ctx, args if args[0] in self.commands else ["open", *args])


review = typer.Typer(
    cls=_TaskFirst,
    help="Decide rows of the review queue: `still review TASK` opens a page for it.",
    no_args_is_help=True,
)


@review.command("open")
def open_(
    task: Task,
    host: Annotated[
        str, typer.Option(help="Name or address for others; they then need a token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8710,
) -> None:
    """Serve the page on which the rows of the queue are decided."""
    go_to_root()
    from still.review.serve import serve

    serve(task, host, port)


@review.command()
def export(
    task: Task, target: Annotated[str, typer.Argument(help="The file to write.")], form: Format = "csv"
) -> None:
    """Write the queue to a file for another tool."""
    path = Path(from_here(target))
    go_to_root()
    from still.review.exchange import export_queue

    export_queue(task, path, form)


@review.command("import")
def import_(
    task: Task,
    source: Annotated[str, typer.Argument(help="A file that export wrote and somebody filled in.")],
    form: Format = "csv",
    reviewer: Annotated[str, typer.Option(help="Of decisions that name none.")] = "",
) -> None:
    """Append the decisions of a file to data/reviews/."""
    path = Path(from_here(source))
    go_to_root()
    from still.review.exchange import import_decisions

    import_decisions(task, path, form, reviewer)
