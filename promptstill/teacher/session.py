"""A session with one task's teacher: what is asked, what is known, and what may be spent."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from promptstill.core.paths import journal_file, recorded_file
from promptstill.teacher.api_key import read_api_key
from promptstill.teacher.budget import Ledger
from promptstill.teacher.journal import Journal
from promptstill.teacher.known_replies import KnownReplies
from promptstill.teacher.questions import Questions
from promptstill.teacher.settings import TeacherSettings


@dataclass(frozen=True)
class Session:
    """Everything that asking needs, whether online or in batches."""

    task: str
    questions: Questions
    known: KnownReplies
    ledger: Ledger

    @property
    def settings(self) -> TeacherSettings:
        """The settings of the teacher."""
        return self.questions.settings

    @property
    def journal(self) -> Journal:
        """The journal, opened when it is first needed."""
        return self.known.journal

    def spent(self) -> int:
        """What this version of the questions has cost so far, over all runs, in pico-USD."""
        if not journal_file().exists():
            return 0
        with self.journal.transaction() as database:
            return self.ledger.spent(database)

    @cached_property
    def api_key(self) -> str | None:
        """The key from the environment or from `.env`. Raises UserError if Git tracks `.env`."""
        return read_api_key(self.settings.api_key_env)


@contextmanager
def open_session(task: str, settings: TeacherSettings, prompt: Path | None = None) -> Iterator[Session]:
    """A session with the teacher of a task, under another prompt if one is given.

    Raises UserError if the prompt, the rubric, the schema or a recorded reply is not valid.
    """
    questions = Questions.load(task, settings, prompt)
    with KnownReplies(recorded_file(task), journal_file()) as known:
        yield Session(task, questions, known, Ledger(questions.version, task, settings.max_usd))
