"""`still journal`: show the journal, export and import replies, verify it, forget old replies."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from promptstill.console.errors import UserError
from promptstill.core.files import write_rows
from promptstill.core.paths import journal_file, recorded_file
from promptstill.core.settings import require_task
from promptstill.teacher.budget import usd
from promptstill.teacher.journal import Journal
from promptstill.teacher.known_replies import FIELDS, KnownReplies, recorded_lines
from promptstill.teacher.record import Record

RECORDS_A_TRANSACTION = 1000


def open_journal() -> Journal:
    """The existing journal. Raises UserError if there is none."""
    path = journal_file()
    if not path.exists():
        raise UserError(f"{path}: no journal yet; it is created with the first reply of a teacher")
    return Journal(path)


def print_stats() -> None:
    """Answers by task, prompt and model, then spending by version of the questions."""
    groups: dict[tuple[str, ...], list[Any]] = defaultdict(lambda: [0, 0, 0, "9", "0"])
    with open_journal() as journal:
        for _, record in journal.records():
            names = ("task", "kind", "model", "prompt_hash")
            group = groups[tuple(str(record.get(name, "?")) for name in names)]
            group[0] += 1
            group[1] += record.get("prompt_tokens", 0)
            group[2] += record.get("completion_tokens", 0)
            group[3] = min(group[3], record["recorded_at"])
            group[4] = max(group[4], record["recorded_at"])
        spending = journal.spending()
    console = Console()
    answers = Table(box=SIMPLE_HEAD, title=str(journal_file()), title_justify="left")
    for column in ("task", "kind", "model", "prompt", "answers", "tokens in", "tokens out", "first", "last"):
        answers.add_column(
            column, justify="right" if column in ("answers", "tokens in", "tokens out") else "left"
        )
    for (task, kind, model, prompt), (count, tokens_in, tokens_out, first, last) in sorted(groups.items()):
        counts = (str(count), str(tokens_in), str(tokens_out))
        answers.add_row(task, kind, model, prompt[:12], *counts, first, last)
    console.print(answers)
    if spending:
        money = Table(box=SIMPLE_HEAD)
        for column in ("task", "version", "calls", "failed", "spent USD", "held USD"):
            money.add_column(column, justify="left" if column in ("task", "version") else "right")
        for task, scope, calls, failed, spent, held in spending:
            money.add_row(task, scope[:12], str(calls), str(failed), f"{usd(spent):.6f}", f"{usd(held):.6f}")
        console.print(money)


def export(task: str) -> None:
    """Add the task's answers to `data/recorded/<task>.jsonl`. Lines that are there already stay first and
    unchanged. Memory does not grow with the answers."""
    require_task(task)
    path = recorded_file(task)
    added = 0
    with open_journal() as journal, KnownReplies(path, journal_file()) as known:

        def lines() -> Iterator[Mapping[str, object]]:
            nonlocal added
            for key, record in recorded_lines(path):
                yield {"key": key, **record}
            for key, record in journal.records(task):
                if not known.is_recorded(key):
                    added += 1
                    content: Mapping[str, object] = record
                    yield {"key": key, **{name: content[name] for name in FIELDS if name in content}}

        written = write_rows(path, lines())
    print(f"{path}: {added} answers added to {written - added}; commit it, or `dvc add` it")


def import_answers(task: str, path: Path) -> None:
    """Put the answers of a file that `export` wrote into the journal; known keys keep their first record.

    A broken line is an error before anything is written. Neither memory nor the time that other processes
    wait for the journal grows with the file.
    """
    require_task(task)
    if not path.exists():
        raise UserError(f"{path}: no such file")
    count = added = 0
    with KnownReplies(path, journal_file()) as known:
        records: Iterator[tuple[str, Record]] = (
            (key, {**record, "task": task}) for key, record in known.recorded()
        )
        while part := dict(islice(records, RECORDS_A_TRANSACTION)):
            added += known.journal.add(part)
            count += len(part)
    print(f"{journal_file()}: {added} of {count} answers were new")


def verify() -> None:
    """Check the file and every record. Raises UserError with what is wrong."""
    with open_journal() as journal:
        problems = journal.problems()
        count = 0 if problems else sum(1 for _ in journal.records())
    if problems:
        raise UserError(f"{journal_file()}: {len(problems)} problems, first: {problems[0]}")
    print(f"{journal_file()}: {count} answers, all intact")


def prune(task: str, prompt: str, before: str, really: bool) -> None:
    """Forget answers of a task to the prompt whose hash begins with `prompt`, and from before a day.

    Prints what would be removed, and removes it only if `really`. Raises UserError without any criterion.
    """
    require_task(task)
    if not prompt and not before:
        raise UserError("still journal prune: give --prompt or --before; all answers were paid for")
    day = _day(before)
    with open_journal() as journal:
        keys = [
            key
            for key, record in journal.records(task)
            if (not prompt or str(record.get("prompt_hash", "")).startswith(prompt))
            and (not day or record["recorded_at"] < day)
        ]
        if really:
            journal.remove(keys)
    effect = "forgotten" if really else "would be forgotten; repeat with --yes to do it"
    print(f"{journal_file()}: {len(keys)} answers of {task} {effect}")


def _day(before: str) -> str:
    try:
        return before and datetime.fromisoformat(before).date().isoformat()
    except ValueError:
        raise UserError(f"--before {before}: not a date; write it as 2026-11-30") from None
