"""`still journal`: the commands."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from still.root import from_here, go_to_root

Task = Annotated[str, typer.Argument(help="A task named in params.yaml.")]

journal = typer.Typer(help="Work with the teacher's answers that were paid for.", no_args_is_help=True)


@journal.command()
def stats() -> None:
    """Show answers by task, prompt and model, and what was spent."""
    go_to_root()
    from still.journal import print_stats

    print_stats()


@journal.command()
def export(task: Task) -> None:
    """Add a task's answers to data/recorded/, so that they can be committed."""
    go_to_root()
    from still.journal import export as export_task

    export_task(task)


@journal.command("import")
def import_answers(
    task: Task, source: Annotated[str, typer.Argument(help="A file that export wrote.")]
) -> None:
    """Add exported answers to the journal."""
    path = Path(from_here(source))
    go_to_root()
    from still.journal import import_answers as import_file

    import_file(task, path)


@journal.command()
def verify() -> None:
    """Check the file and the checksum of every answer."""
    go_to_root()
    from still.journal import verify as check

    check()


@journal.command()
def prune(
    task: Task,
    prompt: Annotated[str, typer.Option(help="Answers to the prompt whose hash begins with this.")] = "",
    before: Annotated[str, typer.Option(help="Answers from before this day, such as 2026-11-30.")] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Remove them; else only show how many.")] = False,
) -> None:
    """Forget old answers."""
    go_to_root()
    from still.journal import prune as forget

    forget(task, prompt, before, yes)


@journal.command()
def correct(
    task: Task,
    spent: Annotated[float, typer.Option(help="What this version has really cost, in USD.")],
    why: Annotated[str, typer.Option(help="Kept with the correction, as is your name.")],
    version: Annotated[
        str, typer.Option(help="The version whose hash begins with this; by default today's.")
    ] = "",
) -> None:
    """Correct what a version of the questions has spent, such as by the provider's bill."""
    go_to_root()
    from still.journal import correct as correct_ledger

    correct_ledger(task, spent, why, version)


@journal.command()
def facts() -> None:
    """Show which parts of requests servers refuse, as the stage has learnt."""
    go_to_root()
    from still.facts import print_facts

    print_facts()


@journal.command()
def forget(
    server: Annotated[
        str, typer.Argument(help="The address of a server, as `still journal facts` shows it.")
    ],
    part: Annotated[
        str, typer.Argument(help="A part, such as temperature, or its first letters; all parts by default.")
    ] = "",
) -> None:
    """Forget that a server refuses parts of requests, so that they are sent to it again."""
    go_to_root()
    from still.facts import forget as forget_facts

    forget_facts(server, part)


@journal.command("drop-batch")
def drop_batch(
    token: Annotated[str, typer.Argument(help="Of an open batch, as `still journal stats` shows it.")],
) -> None:
    """Give up a batch that its server has lost; its requests are asked again, and it counts as spent."""
    go_to_root()
    from still.journal import drop_batch as drop

    drop(token)
