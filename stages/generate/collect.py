"""From rows to rows with all their answers: what is known is looked up, what is missing is asked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from stages.generate.budget import Ledger
from stages.generate.journal import Record
from stages.generate.keys import api_key
from stages.generate.params import LOCAL
from stages.generate.questions import Inquiry, Questions
from stages.generate.recorded import Answers
from stages.generate.run import BUDGET_REACHED, Run
from stages.shared.errors import UserError
from stages.shared.files import Row
from stages.shared.paths import prompt_file

# Rows whose answers are looked up together.
CHUNK = 256

# Opens the rows anew each time, so that no list of them is held.
Rows = Callable[[], Iterable[Row]]


@dataclass(frozen=True)
class Missing:
    """What a run has to ask at least: later samples and grades depend on the answers.

    `rows` in all, `missing_rows` of them not complete, `requests` they still need, and `known` answers, of
    which `recorded` come from the file.
    """

    rows: int
    missing_rows: int
    requests: int
    known: int
    recorded: int


def resolved(rows: Iterable[Row], questions: Questions, answers: Answers) -> Iterator[Inquiry]:
    """Each row with what is known about it, in order."""
    source = iter(rows)
    while chunk := list(islice(source, CHUNK)):
        known: dict[str, Record] = {}
        inquiries = [questions.about(row, known) for row in chunk]
        wanted = [request for one in inquiries for request in one.wanted()]
        # Answers decide what else is wanted, so look until nothing new is found.
        while found := answers.get(request.key for request in wanted):
            known |= found
            wanted = [request for one in inquiries for request in one.wanted()]
        yield from inquiries


def count_missing(rows: Rows, questions: Questions, answers: Answers) -> Missing:
    """Look every row up."""
    count = missing = requests = 0
    before = answers.from_recorded, answers.from_journal
    for inquiry in resolved(rows(), questions, answers):
        wanted = inquiry.wanted()
        count += 1
        missing += bool(wanted)
        requests += len(wanted)
    recorded, journaled = answers.from_recorded - before[0], answers.from_journal - before[1]
    return Missing(count, missing, requests, recorded + journaled, recorded)


def ask_missing(task: str, rows: Rows, missing: Missing, questions: Questions, answers: Answers) -> Run:
    """Ask for what is missing. Raises UserError where no teacher is configured, or where the
    run stopped before its end; answers are kept."""
    params = questions.params
    if not params.base_urls:
        raise UserError(
            f"{task}: {missing.requests} of {missing.requests + missing.known} requests have no recorded "
            f"answer under prompt {questions.prompt_hash[:12]} and model {params.model}, and no teacher is "
            f"configured; either set `{task}.generate.base_url` in params.yaml and {params.api_key_env} in "
            f"the environment or in .env, or restore {prompt_file(task)} and the `generate` block that the "
            "answers were recorded with"
        )

    def jobs() -> Iterator[Inquiry]:
        return (one for one in resolved(rows(), questions, answers) if one.wanted())

    most_dead = int(params.max_failure_fraction * missing.rows)
    run = ask(task, jobs, missing.missing_rows, most_dead, questions, answers)
    if run.stopped:
        raise UserError(f"{task}: {advice(task, run, missing, questions)}")
    return run


def ask(
    task: str,
    jobs: Callable[[], Iterator[Inquiry]],
    rows: int,
    most_dead: int,
    questions: Questions,
    answers: Answers,
) -> Run:
    """Ask the configured teacher, online or in batches, and start the local one where that is meant."""
    import asyncio

    params = questions.params
    ledger = Ledger(questions.version, task, params.max_usd)
    key = api_key(params.api_key_env)
    if params.mode == "batch":
        from stages.generate.batch import ask_in_batches

        return asyncio.run(
            ask_in_batches(jobs, rows, most_dead, questions, task, answers.journal, ledger, key)
        )
    if params.base_url == LOCAL:
        from stages.generate.local import serving

        with serving(params) as url:
            servers = (url,)
            return asyncio.run(
                _online(task, jobs(), rows, most_dead, questions, answers, ledger, key, servers)
            )
    return asyncio.run(
        _online(task, jobs(), rows, most_dead, questions, answers, ledger, key, params.base_urls)
    )


async def _online(
    task: str,
    jobs: Iterator[Inquiry],
    rows: int,
    most_dead: int,
    questions: Questions,
    answers: Answers,
    ledger: Ledger,
    key: str | None,
    urls: tuple[str, ...],
) -> Run:
    from stages.generate.teacher import Asker, connect

    servers = connect(urls, key, questions.params)
    asker = Asker(questions, task, servers, answers.journal, ledger, key)
    try:
        return await asker.ask(jobs, rows, most_dead)
    except* UserError as errors:
        # What the user can fix is one line, wherever among the tasks it came up.
        raise first_of(errors) from None


def first_of(group: BaseExceptionGroup[UserError]) -> UserError:
    """The first error in a group of groups."""
    error = group.exceptions[0]
    return first_of(error) if isinstance(error, BaseExceptionGroup) else error


def advice(task: str, run: Run, missing: Missing, questions: Questions) -> str:
    """Why a run stopped, what is safe, and what to do."""
    done = (
        f"{run.answered} answers came, and are kept; {missing.missing_rows - run.rows} rows still lack some"
    )
    if run.stopped == BUDGET_REACHED:
        cap = questions.params.max_usd
        return (
            f"max_usd = {cap} leaves no room for another request; {done}; raise {task}.generate.max_usd and "
            "repeat `dvc repro`"
        )
    return f"the run stopped: {run.stopped}; {done}; put it right and repeat `dvc repro` for the rest"
