"""`still check`: everything that a person writes for a task, and whether it fits together, before anything is
asked or trained.

A stage reads only what it needs, so a mistake in the section of a later stage would show after the teacher
was paid. This check reads all of it and lists every problem. It takes seconds and loads no model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from promptstill.answers.reviews import check_reviews
from promptstill.answers.spec import AnswerSpec
from promptstill.console.errors import SeveralErrors, UserError, did_you_mean
from promptstill.console.stage_main import stage_main
from promptstill.core.files import compact_json, read_lines
from promptstill.core.paths import (
    PARAMS,
    expectation_file,
    golden_file,
    pins_file,
    recorded_file,
    reviews_file,
)
from promptstill.core.settings import require_task, task_names
from promptstill.rows.slices import Slice, load_slices
from promptstill.teacher.known_replies import recorded_lines
from promptstill.teacher.questions import Questions
from stages.dedupe.params import DedupeParams
from stages.generate.params import GenerateParams
from stages.ingest.golden import check_golden
from stages.split.hard_slices import BUILT_IN
from stages.split.params import SplitParams
from stages.split.pins import check_pins
from stages.train.params import TrainParams
from stages.validate.suite import Suite, read_suite
from still.params import BLOCKS

T = TypeVar("T")


@dataclass
class Findings:
    """The problems so far, in the order in which they were met."""

    problems: list[str] = field(default_factory=list)

    def read(self, load: Callable[[], T]) -> T | None:
        """What `load` returns, or None after noting why it cannot be read."""
        try:
            return load()
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
    for block in BLOCKS:
        content = findings.read(partial(block.read_block, task))
        if content is not None:
            findings.problems += block.problems(content, block.place(task))
    spec = findings.read(lambda: AnswerSpec.load(task))
    suite = findings.read(lambda: read_suite(expectation_file(task, "suite.json")))
    slices = findings.read(lambda: load_slices(task))
    if spec is not None:
        _check_files(task, spec, findings)
    if not findings.problems and spec is not None and suite is not None and slices is not None:
        findings.problems += relations(task, spec, suite, slices)
    return findings.problems


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


def relations(task: str, spec: AnswerSpec, suite: Suite, slices: Iterable[Slice]) -> Iterator[str]:
    """Names in params.yaml that nothing defines, thresholds that contradict each other, and quotas and
    numbers of samples that the suite makes impossible."""
    place = f"{PARAMS}: {task}"
    dedupe, split = DedupeParams.load(task), SplitParams.load(task)
    by_name = {entry.name: entry for entry in slices}
    hard, keys = [*by_name, *BUILT_IN], spec.schema.get("properties", {})
    named: list[tuple[str, Iterable[str], Iterable[str], str]] = [
        ("dedupe.slice_minimum", dedupe.slice_minimum, by_name, "no slice in slices.yaml"),
        ("split.hard_slices", split.hard_slices, hard, "neither in slices.yaml nor built in"),
        ("train.rare_weight", TrainParams.load(task).rare_weight, keys, "no key of the answer schema"),
    ]
    labels = labels_of(spec)
    if labels is not None:
        named.append(("split.abstain", split.abstain, labels, "no label of the answer schema"))
    for block, names, known, problem in named:
        yield from _unknown(f"{place}.{block}", names, list(known), problem)
    for key, link, removal in (
        ("meaning", split.link.min_cosine, dedupe.min_cosine),
        ("text", split.link.min_text_overlap, dedupe.min_text_overlap),
    ):
        # Across labels, dedupe leaves no near rows that could be apart.
        if link > removal and not dedupe.across_labels:
            yield (
                f"{place}.split.link.{key}: is {link}, stricter than dedupe.{key} {removal}; lower it, or "
                "near rows with different labels come into different splits"
            )
    yield from _impossible(place, split, suite, by_name)
    asked, valid = GenerateParams.load(task).most_samples, _bounds(suite, "valid_samples")[0]
    if valid > asked:
        yield (
            f"{place}.generate.samples: a row gets at most {asked}, but {suite.path} asks for {valid:g} "
            "valid samples; raise samples, or change the suite"
        )


def _unknown(place: str, names: Iterable[str], known: list[str], problem: str) -> Iterator[str]:
    for name in names:
        if name not in known:
            yield f"{place}: {name}: {problem}{did_you_mean(name, known)}; correct or remove it"


def labels_of(spec: AnswerSpec) -> list[str] | None:
    """The labels that the schema lists, or None if it lists none."""
    values = spec.label_shape.enum
    return None if values is None else [v if isinstance(v, str) else compact_json(v) for v in values]


def _impossible(place: str, split: SplitParams, suite: Suite, slices: dict[str, Slice]) -> Iterator[str]:
    """Hard slices with a minimum whose rows the suite keeps none of."""
    shortest, longest = _bounds(suite, "input_chars")
    for name, hard in split.hard_slices.items():
        chars = slices.get(name)
        too_short = chars is not None and chars.max_chars is not None and chars.max_chars < shortest
        too_long = chars is not None and chars.min_chars is not None and chars.min_chars > longest
        if hard.minimum and (too_short or too_long):
            yield (
                f"{place}.split.hard_slices.{name}.minimum: is {hard.minimum}, but {suite.path} keeps inputs "
                f"of {shortest:g} to {longest:g} characters only; lower it to 0, or change the suite"
            )


def _bounds(suite: Suite, column: str) -> tuple[float, float]:
    """The range of a column that the suite lets pass."""
    low, high = 0.0, float("inf")
    for entry in suite.content["expectations"]:
        limits = entry.get("kwargs", {})
        if entry["type"] == "expect_column_values_to_be_between" and limits.get("column") == column:
            low = max(low, low if limits.get("min_value") is None else limits["min_value"])
            high = min(high, high if limits.get("max_value") is None else limits["max_value"])
    return low, high


if __name__ == "__main__":
    stage_main(lambda task: check_tasks([task]), "Check what a person writes for a task.")
