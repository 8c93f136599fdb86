"""A session with one task's teacher: what is asked, what is known, and what may be spent."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from promptstill.core.files import canonical_hash
from promptstill.core.lock import locked
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
    def alone(self) -> Iterator[bool]:
        """Hold off every other run that could ask for the same keys; yields whether this run had to wait.

        A key is made of the endpoint, the body and the index of the sample. So runs whose bodies are the same
        apart from the input wait for each other, whatever their task is, and other runs do not.
        """
        questions = self.questions
        bodies = [questions.body(questions.prompt)]
        if questions.rubric is not None:
            bodies.append(questions.body(questions.rubric, grading=True))
        # Sorted, so that two runs never wait for each other.
        names = sorted({canonical_hash([self.settings.endpoint, body]) for body in bodies})
        busy = (
            f"{self.task}: process {{pid}} asks the same teacher under the same prompt; waiting for its end, "
            "because its answers serve this run too"
        )
        folder = self.journal.path.parent / "locks"
        with ExitStack() as locks:
            yield any([locks.enter_context(locked(folder / f"{name}.lock", busy)) for name in names])


@contextmanager
def open_session(task: str, settings: TeacherSettings, prompt: Path | None = None) -> Iterator[Session]:
    """A session with the teacher of a task, under another prompt if one is given.

    Raises UserError if the prompt, the rubric, the schema or a recorded reply is not valid.
    """
    questions = Questions.load(task, settings, prompt)
    with KnownReplies(recorded_file(task), journal_file()) as known:
        yield Session(task, questions, known, Ledger(questions.version, task, settings.max_usd))
