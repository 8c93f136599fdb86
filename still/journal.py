"""`still journal`: show the journal, move replies, verify it, forget old replies, correct what it counts."""

from __future__ import annotations

import getpass
import subprocess
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console, JustifyMethod
from rich.markup import escape
from rich.table import Table

from promptstill.console.errors import UserError
from promptstill.core.files import write_rows
from promptstill.core.paths import journal_file, recorded_file
from promptstill.core.settings import require_task
from promptstill.teacher.budget import USD, Ledger, usd
from promptstill.teacher.journal import Journal
from promptstill.teacher.known_replies import FIELDS, KnownReplies, recorded_lines
from promptstill.teacher.open_batches import OpenBatches, drop
from promptstill.teacher.questions import Questions
from promptstill.teacher.record import Record
from stages.generate.params import GenerateParams

RECORDS_A_TRANSACTION = 1000
# SQLite's integers hold a little more than this in pico-USD.
MOST_USD = 1e6


def open_journal() -> Journal:
    """The existing journal. Raises UserError if there is none."""
    path = journal_file()
    if not path.exists():
        raise UserError(f"{path}: no journal yet; it is created with the first reply of a teacher")
    return Journal(path)


def print_stats() -> None:
    """Answers by task, prompt and model; spending by version of the questions; corrections; open batches."""
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
        spending, corrections = journal.spending(), journal.corrections()
        batches = OpenBatches(journal)
        sent = [(batch, str(batches.count(batch.token)), _usd(batch.held)) for batch in batches.all()]
    _print(
        str(journal_file()),
        "task, kind, model, prompt, answers >, tokens in >, tokens out >, first, last",
        (
            (task, kind, model, prompt[:12], *map(str, group))
            for (task, kind, model, prompt), group in sorted(groups.items())
        ),
    )
    _print(
        "spending",
        "task, version, calls >, failed >, spent USD >, held USD >",
        (
            (task, scope[:12], str(calls), str(failed), _usd(spent), _usd(held))
            for task, scope, calls, failed, spent, held in spending
        ),
    )
    _print(
        "corrections",
        "when, who, task, version, before USD >, after USD >, why",
        (
            (at, who, task, scope[:12], _usd(before), _usd(after), why)
            for at, who, task, scope, before, after, why in corrections
        ),
    )
    _print(
        "open batches",
        "token, task, server, id, requests >, held USD >",
        (
            (batch.token[:12], batch.task or "?", batch.base_url, batch.batch_id or "", count, held)
            for batch, count, held in sent
        ),
    )


def _print(title: str, columns: str, lines: Iterable[Sequence[str]]) -> None:
    """A table, if it has lines; `>` marks columns that are aligned on the right."""
    table = Table(box=SIMPLE_HEAD, title=title, title_justify="left")
    for column in columns.split(", "):
        # Nothing is cut, so that hashes can be copied on narrow terminals too.
        justify: JustifyMethod = "right" if column.endswith(">") else "left"
        table.add_column(column.removesuffix(" >"), justify=justify, overflow="fold")
    table.columns[0].no_wrap = True
    for line in lines:
        table.add_row(*map(escape, line))
    if table.rows:
        Console().print(table)


def _usd(amount: int) -> str:
    return f"{usd(amount):.6f}"


def correct(task: str, spent: float, why: str, version: str) -> None:
    """Set what a version of the questions has cost, with a record of who and why.

    `version` is the beginning of its hash; without it, the version that the files ask today. Raises UserError
    if no such version, or more than one, has spent anything, or if `spent` is no amount of USD.
    """
    require_task(task)
    if not 0 <= spent <= MOST_USD:
        raise UserError(f"--spent {spent}: give a number of USD from 0 to {MOST_USD:.0f}")
    version = version or Questions.load(task, GenerateParams.load(task)).version
    with open_journal() as journal:
        known = [scope for owner, scope, *_ in journal.spending() if owner == task]
        scopes = [scope for scope in known if scope.startswith(version)]
        if len(scopes) != 1:
            raise UserError(
                f"{journal_file()}: {len(scopes)} versions of {task} begin with {version[:12]}; name one "
                f"with --version: {', '.join(scope[:12] for scope in known) or 'none has spent anything'}"
            )
        with journal.transaction() as database:
            ledger = Ledger(scopes[0], task, None)
            before, after = ledger.correct(database, round(spent * USD), _who(), why)
    print(f"{task} {scopes[0][:12]}: spent {_usd(before)} USD before, {_usd(after)} USD now")


def _who() -> str:
    """The person by the name that Git knows, or by the account of the operating system."""
    git = subprocess.run(["git", "config", "user.email"], capture_output=True, text=True, check=False)
    return git.stdout.strip() or getpass.getuser()


def drop_batch(token: str) -> None:
    """Give an open batch up, so that its requests are asked again.

    Raises UserError if no batch, or more than one, begins with the token, or if a process waits for it.
    """
    with open_journal() as journal:
        batches = OpenBatches(journal)
        tokens = [batch.token for batch in batches.all()]
        chosen = [name for name in tokens if name.startswith(token)]
        if len(chosen) != 1:
            what = f"{len(chosen)} open batches begin with {token}" if chosen else f"no open batch {token}"
            raise UserError(f"{journal_file()}: {what}; open are: {', '.join(tokens) or 'none'}")
        with batches.mine(chosen[0], wait=False) as batch:
            if batch is None:
                raise UserError(f"batch {chosen[0]}: its results were just taken; there is nothing to drop")
            count = batches.count(batch.token)
            spent = drop(journal, batch)
    cost = f"{_usd(spent)} USD count as spent, because the server may have run it (`still journal correct`)"
    if batch.file_id is None:
        cost = "nothing counts as spent, because the batch was never started"
    task = batch.task or "a task"
    print(f"batch {chosen[0]} dropped: {count} requests of {task} will be asked again; {cost}")


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
