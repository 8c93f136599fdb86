"""`python -m benchmarks.seeds [TASK ...]`: train the params as they are with several seeds, and score each
student on golden and test; print a table, write results.json. Run `dvc repro` first.

Nothing is chosen by these scores. They show how far a shipped score depends on chance.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.processor import processor
from benchmarks.results import write_task
from benchmarks.table import print_table
from benchmarks.train.stage import trained
from promptstill.answers.measures import measured, measures
from promptstill.answers.spec import AnswerSpec
from promptstill.core.files import read_rows
from promptstill.core.paths import out
from promptstill.models.answering import Answerer
from promptstill.rows.row import SampledCase, SplitRow
from stages.train.mixing import fit_ngrams, fit_weights
from stages.train.params import TrainParams

RESULTS = Path(__file__).parent / "results.json"
# What answers: the whole student, its language model alone, and its n-grams alone.
WHO = ("student", "language_model", "ngrams")


def measure(task: str, seeds: int) -> dict[str, Any]:
    """Accuracies by set, expert and metric: one for each seed, with mean and range."""
    params, spec = TrainParams.load(task), AnswerSpec.load(task)
    train_rows, validation = (
        read_rows(out("split", task, name), SplitRow, "split") for name in ("train", "validation")
    )
    sets: dict[str, Sequence[SampledCase | SplitRow]] = {
        "golden": read_rows(out("generate", task, "golden"), SampledCase, "generate"),
        "test": read_rows(out("split", task, "test"), SplitRow, "split"),
    }
    metrics = tuple(measures(spec))
    scores: dict[tuple[str, str, str], list[float]] = {}
    for seed in range(params.seed, params.seed + seeds):
        seeded = params.model_copy(update={"seed": seed})
        model, _ = trained(train_rows, validation, spec, seeded)
        ngrams = fit_ngrams(train_rows, model)
        weights = fit_weights(validation, model, ngrams, spec)
        alone: dict[str, Any] = {key: {"model": 0.0, "ngrams": 1.0} for key in weights}
        answerers = (model.mixed_with(ngrams, weights), model, model.mixed_with(ngrams, alone))
        for name, cases in sets.items():
            for who, answerer in zip(WHO, answerers, strict=True):
                for metric, value in _accuracies(answerer, cases, spec).items():
                    scores.setdefault((name, who, metric), []).append(value)
    return {
        name: {who: {metric: _spread(scores[name, who, metric]) for metric in metrics} for who in WHO}
        for name in sets
    }


def _accuracies(
    answerer: Answerer, cases: Sequence[SampledCase | SplitRow], spec: AnswerSpec
) -> dict[str, float]:
    answers = answerer.answer([case["input"] for case in cases])
    pairs = [(given.answer, case["answer"]) for given, case in zip(answers, cases, strict=True)]
    return {
        name: statistics.mean(measured(*pair, measure) for pair in pairs)
        for name, measure in measures(spec).items()
    }


def _spread(values: Sequence[float]) -> Mapping[str, object]:
    return {
        "by_seed": [round(value, 4) for value in values],
        "mean": round(statistics.mean(values), 4),
        "range": round(max(values) - min(values), 4),
    }


def main() -> None:
    """Measure each task, print its table, and write its figures beside those of other tasks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tasks", nargs="*", default=["language-id", "support-tickets"])
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    for task in arguments.tasks:
        figures = measure(task, arguments.seeds)
        print_table(
            ("set", "who", "metric", "by seed", "mean"),
            (
                (name, who, metric, spread["by_seed"], spread["mean"])
                for name, of_set in figures.items()
                for who, of_who in of_set.items()
                for metric, spread in of_who.items()
            ),
        )
        write_task(RESULTS, task, {**figures, "processor": processor()})


if __name__ == "__main__":
    main()
