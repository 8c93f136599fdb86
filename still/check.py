"""`still check`: everything that a person writes for a task, and whether it fits together, before anything is
asked or trained.

A stage reads only what it needs, so a mistake in the section of a later stage would show after the teacher
was paid. This check reads all of it and lists every problem, of a file of rows those of the first lines that
have any. It takes seconds, most of them to load Great Expectations, and loads no model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from promptstill.answers.schema.script import Script
from promptstill.answers.spec import AnswerSpec
from promptstill.console.errors import SeveralErrors, UserError
from promptstill.console.stage_main import stage_main
from promptstill.core.files import read_lines
from promptstill.core.paths import (
    expectation_file,
    golden_file,
    pins_file,
    recorded_file,
    reviews_file,
)
from promptstill.core.settings import StageParams, require_task, task_names
from promptstill.reviews.decisions import check_reviews
from promptstill.rows.slices import Slice, load_slices
from promptstill.teacher.known_replies import recorded_lines
from promptstill.teacher.questions import Questions
from stages.generate.params import GenerateParams
from stages.ingest.golden import check_golden
from stages.split.hard_slices import refuse_unknown_slices
from stages.split.params import SplitParams
from stages.split.pins import check_pins
from stages.train.guards import refuse_free_values
from stages.train.params import TrainParams
from stages.validate.suite import Suite, read_suite
from still.params import BLOCKS
from still.relations import Written, relations

T = TypeVar("T")


@dataclass
class Findings:
    """The problems so far, in the order in which they were met."""

    problems: list[str] = field(default_factory=list)

    def read(self, load: Callable[[], T]) -> T | None:
        """What `load` returns, or None after noting why it cannot be read."""
        try:
            return load()
        except SeveralErrors as error:
            self.problems += error.problems
        except UserError as error:
            self.problems.append(str(error))
        return None


def check_tasks(tasks: Sequence[str]) -> None:
    """Check the tasks, all of params.yaml if none is named. Raises UserError with one line per problem."""
    names = list(tasks) or task_names()
    problems = [problem for task in names for problem in problems_of(task)]
    if problems:
        raise SeveralErrors(dict.fromkeys(problems))
    print(f"{', '.join(names)}: params and files are valid and fit together")


def problems_of(task: str) -> list[str]:
    """All problems with what a person wrote for the task, one line each."""
    require_task(task)
    findings = Findings()
    blocks: dict[str, StageParams] = {}
    for block in BLOCKS:
        content = findings.read(partial(block.read_block, task))
        if content is None:
            continue
        problems = block.problems(content, block.place(task))
        findings.problems += problems
        if not problems:
            blocks[block.stage] = block.load(task)
    spec = findings.read(lambda: AnswerSpec.load(task))
    # What columns a suite may name depends on the answers.
    suite = (
        None
        if spec is None
        else findings.read(partial(read_suite, expectation_file(task, "suite.json"), spec))
    )
    slices = findings.read(lambda: load_slices(task))
    if spec is not None:
        _check_files(task, spec, findings)
    _check_names(task, spec, slices, blocks, findings)
    if suite is not None:
        findings.read(partial(_evaluate, suite))
    findings.problems += relations(Written(task, spec, suite, slices, blocks))
    return findings.problems


def _check_names(
    task: str,
    spec: AnswerSpec | None,
    slices: Sequence[Slice] | None,
    blocks: Mapping[str, StageParams],
    findings: Findings,
) -> None:
    """Let the stages check the names that they refuse themselves."""
    split = blocks.get("split")
    if isinstance(split, SplitParams) and slices is not None:
        names = [entry.name for entry in slices]
        findings.read(lambda: refuse_unknown_slices(task, split, names))
    script = None if spec is None else findings.read(lambda: Script(spec))
    train = blocks.get("train")
    if spec is None or script is None:
        return
    if isinstance(train, TrainParams) and train.student == "encoder":
        findings.read(lambda: refuse_free_values(script, TrainParams.place(task)))
    elif any(not slot.closed for slot in script.slots):
        findings.read(lambda: _refuse_unwritable(spec))


def _refuse_unwritable(spec: AnswerSpec) -> None:
    """Compile what the student has to write freely. This loads torch, so only tasks with free values wait."""
    from promptstill.models.grammar import refuse_unwritable

    refuse_unwritable(spec)


def _evaluate(suite: Suite) -> None:
    """Let Great Expectations build the suite and compute it for one made-up row. The library takes seconds to
    load, so it is loaded only for a suite that has no other mistake."""
    from stages.validate.checks import Checks

    Checks(suite).try_out()


def _check_files(task: str, spec: AnswerSpec, findings: Findings) -> None:
    """Read the prompt and every file of rows except the traffic, which only ingest needs and reads first."""
    findings.read(lambda: check_golden(read_lines(golden_file(task)), spec, golden_file(task)))
    reviews, pins = reviews_file(task), pins_file(task)
    findings.read(lambda: check_reviews(read_lines(reviews), spec, reviews))
    findings.read(lambda: check_pins(read_lines(pins), pins))
    findings.read(lambda: list(recorded_lines(recorded_file(task))))
    settings = findings.read(lambda: GenerateParams.load(task))
    if settings is not None:
        findings.read(lambda: Questions.load(task, settings))


if __name__ == "__main__":
    stage_main(lambda task: check_tasks([task]), "Check what a person writes for a task.")
