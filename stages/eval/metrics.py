"""What all contestants answered in; metrics, tables and the closing lines of the stage out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from promptstill.answers.measures import measures
from promptstill.answers.rates import rates
from promptstill.answers.spec import AnswerSpec
from stages.eval.contestants import BASELINES, CONTESTANTS, Answered, SetName, among
from stages.eval.outcomes import outcome_counts
from stages.eval.scores import (
    LABEL_COLUMNS,
    SLICE_COLUMNS,
    agreement,
    confusion,
    gains,
    judged,
    label_table,
    scores,
    slice_rows,
)
from stages.eval.verdict import against_baseline, cascade_line, latency_line, price_line

# Columns and rows of a table.
Table = tuple[Sequence[str], Sequence[Sequence[object]]]


def metrics_of(
    by_set: Mapping[SetName, Sequence[Answered]], prompt_tokens_saved: int, spec: AnswerSpec, level: float
) -> dict[str, Any]:
    """The content of `data/eval/<task>/metrics.json`: all scores of all contestants, and
    where the student's errors come from."""
    metrics: dict[str, Any] = {}
    for name, cases in by_set.items():
        answers = {contestant: judged(cases, contestant) for contestant in among(cases)}
        scored = {contestant: scores(part, spec, level) for contestant, part in answers.items()}
        metrics[name] = {
            **scored,
            # The better one on this very set, so that the student's lead is never overstated.
            "better_baseline": max(BASELINES, key=lambda baseline: scored[baseline]["accuracy"]),
            "student_minus": {
                contestant: gains(answers["student"], part, spec, level)
                for contestant, part in answers.items()
                if contestant != "student"
            },
            "student_teacher_agreement": agreement(answers["student"], answers["teacher"], spec),
            "outcomes": outcome_counts(cases, spec),
            "truth_by_person": sum(case.truth_by_person for case in cases),
        }
    return {
        **metrics,
        "confidence_level": level,
        "prompt_tokens_saved_per_request": prompt_tokens_saved,
    }


def headline(scored: Mapping[str, Any], train_rows: int, spec: AnswerSpec) -> dict[str, float | None]:
    """The content of `metrics/<task>/scores_<set>.json`, from the scores of all contestants on the set: the
    figures by which people compare versions. They are few, so that `dvc metrics show` fits on a screen."""
    student = scored["student"]
    return {
        "cases": student["n"],
        **{key: student[key] for key in ("accuracy", "accuracy_low", "accuracy_high")},
        **{name: student[name] for name in (*measures(spec), *rates(spec))},
        "baseline": scored[scored["better_baseline"]]["accuracy"],
        "train_rows": train_rows,
    }


def tables_of(cases: Sequence[Answered], spec: AnswerSpec, level: float) -> dict[str, Table]:
    """Labels and confusion of the student, and slices of all contestants, by the name of the table."""
    student = judged(cases, "student")
    everyone = {contestant: judged(cases, contestant) for contestant in among(cases)}
    return {
        "labels": (LABEL_COLUMNS, label_table(student, spec, level)),
        "slices": (SLICE_COLUMNS, slice_rows(everyone, spec, level)),
        "confusion": (("actual", "predicted"), confusion(student, spec)),
    }


def summary_lines(metrics: Mapping[str, Any], speed: Mapping[str, float]) -> list[str]:
    """The closing lines of the stage."""
    golden, test = metrics["golden"], metrics["test"]
    accuracy = ", ".join(f"{name} {golden[name]['accuracy']:.3f}" for name in CONTESTANTS if name in golden)
    return [
        f"golden accuracy of {golden['student']['n']}: {accuracy}",
        *(f"{name}: the student is {against_baseline(metrics[name])}" for name in ("golden", "test")),
        f"test accuracy of {test['student']['n']}: student {test['student']['accuracy']:.3f}, valid "
        f"{test['student']['valid']:.3f}, agreement with teacher {test['student_teacher_agreement']:.3f}",
        cascade_line(metrics["cascade"]),
        f"{metrics['prompt_tokens_saved_per_request']} prompt tokens saved per request; "
        f"{price_line(metrics['cascade'], speed)}",
        latency_line(speed),
    ]
