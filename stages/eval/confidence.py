"""Cases with the student's replies in; what its confidence is worth out: calibration, cascade and tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple
from typing import Any, Literal

from promptstill.answers.consensus import decide
from promptstill.answers.schema.compare import same
from promptstill.answers.spec import AnswerSpec
from promptstill.core.files import JsonObject
from promptstill.models.answering import StudentAnswer
from promptstill.rows.row import SampledCase, SplitRow
from stages.eval.calibration import RELIABILITY_COLUMNS, calibration
from stages.eval.cascade import (
    CASCADE_COLUMNS,
    Case,
    agreement_with_itself,
    at_threshold,
    choose,
    curve,
    price,
)
from stages.eval.contestants import SetName
from stages.eval.metrics import Table

# The sets that the student answers, in the order of the table.
AnsweredSet = SetName | Literal["validation"]


def cases_of(
    rows: Sequence[SampledCase | SplitRow],
    answers: Sequence[StudentAnswer],
    prompt_tokens: int,
    count: Callable[[str], int],
    spec: AnswerSpec,
) -> list[Case]:
    """The rows of a set with the student's answers to them, as the cascade sees them.

    `count` gives the tokens of a text. A request that the student leaves to the teacher gives one sample, so
    the teacher's answer and its tokens are those of the first sample, whatever all samples together decide.
    """
    cases = []
    for row, given in zip(rows, answers, strict=True):
        truth, first = row["answer"], row["samples"][:1]
        written = sum(count(sample["response"]) for sample in first)
        cases.append(
            Case(
                None if given.answer is None else given.confidence,
                same(given.answer, truth, spec),
                same(decide(first, spec)["answer"], truth, spec),
                str(row.get("component", row["id"])),
                prompt_tokens + count(row["input"]) + written,
            )
        )
    return cases


def teacher_agreement(rows: Sequence[SplitRow], spec: AnswerSpec, level: float) -> dict[str, Any] | None:
    """How often the teacher agrees with itself, over the rows with several samples; None without any.

    A sample that does not parse agrees with no other.
    """
    asked = [row for row in rows if len(row["samples"]) > 1]
    decisions = [decide(row["samples"], spec) for row in asked]
    agrees = [
        decision["valid_samples"] == len(row["samples"]) and not decision["dissent"]
        for row, decision in zip(asked, decisions, strict=True)
    ]
    return agreement_with_itself(agrees, [row["component"] for row in asked], level)


def confidence_metrics(
    cases: Mapping[AnsweredSet, Sequence[Case]],
    agreement: dict[str, Any] | None,
    usd: float | None,
    level: float,
) -> dict[str, Any]:
    """`calibration` of golden and test, and `cascade`: what the teacher costs, the threshold that validation
    gives, and what it is worth on every set. `usd` is what a request to the teacher costs, if that is known.

    The threshold is the lowest confidence at which the answers of the student are as often right as the
    teacher agrees with itself, by the lower bound of its interval. It is null, as is `at_threshold`, if that
    agreement is not known or if no confidence reaches it.
    """
    threshold = None if agreement is None else choose(cases["validation"], agreement["low"])
    return {
        "calibration": {
            name: calibration(*_answers(part), level) for name, part in cases.items() if name != "validation"
        },
        "cascade": {
            "teacher_per_thousand": {name: price(part, usd) for name, part in cases.items()},
            "teacher_agreement": agreement,
            "threshold": threshold,
            "at_threshold": None
            if threshold is None
            else {name: at_threshold(part, threshold, level, usd) for name, part in cases.items()},
        },
    }


def usd_per_request(generate: JsonObject) -> float | None:
    """What a request to the teacher cost on average, from the metrics of generate; None if that is not
    known."""
    return None if generate["cost_usd"] is None else generate["cost_usd"] / generate["requests"]


def confidence_tables(
    cases: Mapping[AnsweredSet, Sequence[Case]], metrics: Mapping[str, Any], level: float
) -> dict[str, Table]:
    """The tables for `dvc plots` by name: the reliability diagram of test, and accuracy by coverage."""
    bins = metrics["calibration"]["test"]["bins"]
    return {
        "reliability_test": (
            RELIABILITY_COLUMNS,
            [[entry[column] for column in RELIABILITY_COLUMNS] for entry in bins],
        ),
        "cascade": (
            CASCADE_COLUMNS,
            [(name, *astuple(point)) for name, part in cases.items() for point in curve(part, level)],
        ),
    }


def _answers(cases: Sequence[Case]) -> tuple[list[float], list[bool], list[str]]:
    """Confidence, truth and component of every valid answer."""
    valid = [(case.confidence, case) for case in cases if case.confidence is not None]
    return (
        [confidence for confidence, _ in valid],
        [case.right for _, case in valid],
        [case.component for _, case in valid],
    )
