"""Asking for what is missing: online or in batches, from servers or from a teacher on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from promptstill.console.errors import UserError
from promptstill.core.paths import prompt_file
from promptstill.teacher.api_key import check_api_key
from promptstill.teacher.lookup import Missing, R, Rows, resolved
from promptstill.teacher.open_batches import OpenBatches
from promptstill.teacher.outcome import BUDGET_REACHED, Outcome, Work
from promptstill.teacher.questions import Inquiry
from promptstill.teacher.session import Session
from promptstill.teacher.settings import LOCAL


def ask_missing(session: Session, rows: Rows[R], missing: Missing) -> Outcome:
    """Ask for what is missing.

    Raises UserError if no teacher is configured, or if the run stopped before its end; replies are kept.
    """
    task, settings = session.task, session.settings
    if not settings.base_urls:
        raise UserError(
            f"{task}: {missing.requests} of {missing.requests + missing.known} requests have no recorded "
            f"answer under prompt {session.questions.prompt_hash[:12]} and model {settings.model}, and no "
            f"teacher is configured; either set `{task}.generate.base_url` in params.yaml and "
            f"{settings.api_key_env} in the environment or in .env, or restore {prompt_file(task)} and the "
            "`generate` block that the answers were recorded with"
        )

    def jobs() -> Iterator[Inquiry[R]]:
        inquiries = resolved(session, rows())
        return (inquiry for inquiry in inquiries if inquiry.wanted())

    work = Work(jobs, missing.missing_rows, int(settings.max_failure_fraction * missing.rows))
    outcome = ask(session, work)
    if outcome.stopped:
        raise UserError(f"{task}: {advice(session, outcome, missing)}")
    return outcome


def ask(session: Session, work: Work) -> Outcome:
    """Ask the configured teacher, after other runs that ask the same and after open batches that have some of
    what is missing."""
    check_api_key(session.settings.api_key_env)
    outcome, left, collected = Outcome(), work, 0
    with session.alone() as waited:
        if waited or OpenBatches(session.journal).all():
            from promptstill.teacher.batch import collect_batches

            collected = collect_batches(session, work)
            left = replace(work, rows=sum(1 for _ in work.jobs()))
        if left.rows:
            outcome = _ask_rest(session, left)
    outcome.rows += work.rows - left.rows
    outcome.answered += collected
    with session.journal.transaction() as database:
        outcome.spent = session.ledger.spent(database)
    return outcome


def _ask_rest(session: Session, work: Work) -> Outcome:
    """Ask online or in batches; a teacher on this machine is started first."""
    import asyncio

    settings = session.settings
    if settings.mode == "batch":
        from promptstill.teacher.batch import ask_in_batches

        return asyncio.run(ask_in_batches(session, work))
    from promptstill.teacher.online import ask_online

    if settings.base_url != LOCAL:
        return asyncio.run(ask_online(session, work, settings.base_urls))
    from promptstill.teacher.local import serving

    with serving(settings) as url:
        return asyncio.run(ask_online(session, work, (url,)))


def advice(session: Session, outcome: Outcome, missing: Missing) -> str:
    """Why a run stopped, what is safe, and what to do."""
    lacking = missing.missing_rows - outcome.rows
    rows = "1 row still lacks some" if lacking == 1 else f"{lacking} rows still lack some"
    done = f"{outcome.answered} answers arrived and are kept; {rows}"
    if outcome.stopped == BUDGET_REACHED:
        return (
            f"max_usd = {session.settings.max_usd} leaves no room for another request; {done}; raise "
            f"{session.task}.generate.max_usd and repeat `dvc repro`"
        )
    return f"the run stopped: {outcome.stopped}; {done}; fix the cause and repeat `dvc repro` for the rest"
