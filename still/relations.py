"""Whether the parts of what a person writes for a task fit together: names that nothing defines, thresholds
that contradict each other, quotas and numbers of samples that the suite makes impossible.

Every relation is checked whose parts could be read, so a mistake in one part hides nothing about the others.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from promptstill.answers.schema.compare import deciding_keys
from promptstill.answers.spec import AnswerSpec
from promptstill.console.errors import did_you_mean
from promptstill.core.files import compact_json
from promptstill.core.paths import PARAMS
from promptstill.core.settings import StageParams
from promptstill.rows.slices import Slice
from stages.dedupe.params import DedupeParams
from stages.generate.params import GenerateParams
from stages.split.params import SplitParams
from stages.train.guards import missing_for_passages
from stages.train.params import TrainParams
from stages.validate.suite import Suite
from still.rules import unknown_rules


@dataclass(frozen=True)
class Written:
    """What a person wrote for a task: a part that could not be read is None, a block of params missing."""

    task: str
    spec: AnswerSpec | None
    suite: Suite | None
    slices: Sequence[Slice] | None
    blocks: Mapping[str, StageParams] = field(default_factory=dict)

    @property
    def place(self) -> str:
        """Where the task's params are, for a message."""
        return f"{PARAMS}: {self.task}"


def relations(written: Written) -> Iterator[str]:
    """What does not fit together, one line each."""
    dedupe, split = written.blocks.get("dedupe"), written.blocks.get("split")
    train = written.blocks.get("train")
    if isinstance(train, TrainParams) and written.spec is not None:
        missing = missing_for_passages(written.spec, train, TrainParams.place(written.task))
        yield from [] if missing is None else [missing]
    generate = written.blocks.get("generate")
    if written.slices is not None:
        yield from unknown_rules(written.task, written.slices)
    if isinstance(dedupe, DedupeParams) and written.slices is not None:
        yield from _unknown(
            f"{written.place}.dedupe.slice_minimum",
            dedupe.slice_minimum,
            [entry.name for entry in written.slices],
            "no slice in slices.yaml",
        )
    if isinstance(split, SplitParams):
        yield from _of_split(written, split)
    if isinstance(dedupe, DedupeParams) and isinstance(split, SplitParams):
        yield from _stricter_links(written, dedupe, split)
    if isinstance(generate, GenerateParams) and written.suite is not None:
        asked, valid = generate.most_samples, bounds(written.suite, "valid_samples")[0]
        if valid > asked:
            yield (
                f"{written.place}.generate.samples: a row gets at most {asked}, but {written.suite.path} "
                f"asks for {valid:g} valid samples; raise samples, or change the suite"
            )


def _of_split(written: Written, split: SplitParams) -> Iterator[str]:
    place = f"{written.place}.split"
    if written.slices is not None and written.suite is not None:
        by_name = {entry.name: entry for entry in written.slices}
        yield from _impossible(place, split, written.suite, by_name)
    labels = None if written.spec is None else labels_of(written.spec)
    if labels is not None:
        yield from _unknown(f"{place}.abstain", split.abstain, labels, "no label of the answer schema")


def _stricter_links(written: Written, dedupe: DedupeParams, split: SplitParams) -> Iterator[str]:
    if dedupe.across_labels and (written.spec is None or not deciding_keys(written.spec)):
        # dedupe compares no answers then, so it leaves no near rows that could be apart.
        return
    for key, link, removal in (
        ("meaning", split.link.min_cosine, dedupe.min_cosine),
        ("text", split.link.min_text_overlap, dedupe.min_text_overlap),
    ):
        if link > removal:
            yield (
                f"{written.place}.split.link.{key}: is {link}, stricter than dedupe.{key} {removal}; "
                "lower it, or near rows with different answers come into different splits"
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
    shortest, longest = bounds(suite, "input_chars")
    for name, hard in split.hard_slices.items():
        chars = slices.get(name)
        too_short = chars is not None and chars.max_chars is not None and chars.max_chars < shortest
        too_long = chars is not None and chars.min_chars is not None and chars.min_chars > longest
        if hard.minimum and (too_short or too_long):
            yield (
                f"{place}.hard_slices.{name}.minimum: is {hard.minimum}, but {suite.path} keeps inputs "
                f"of {shortest:g} to {longest:g} characters only; lower it to 0, or change the suite"
            )


def bounds(suite: Suite, column: str) -> tuple[float, float]:
    """The smallest and the largest whole number that the suite lets pass in every row of a column of counts.

    An expectation with a `row_condition` limits some rows only, so it sets no bound.
    """
    low, high = 0.0, math.inf
    for entry in suite.content["expectations"]:
        limits = entry.get("kwargs") or {}
        if entry["type"] != "expect_column_values_to_be_between" or limits.get("column") != column:
            continue
        if limits.get("row_condition") is not None:
            continue
        smallest, largest = _number(limits.get("min_value")), _number(limits.get("max_value"))
        if smallest is not None:
            low = max(low, math.floor(smallest) + 1 if limits.get("strict_min") else math.ceil(smallest))
        if largest is not None:
            high = min(high, math.ceil(largest) - 1 if limits.get("strict_max") else math.floor(largest))
    return low, high


def _number(value: object) -> float | None:
    """A bound as the library reads it: the text `5` is a number too. None without a finite one."""
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None
