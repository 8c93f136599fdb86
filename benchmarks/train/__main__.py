"""`python -m benchmarks.train [TASK]`: the stage's training against transformers' Trainer with peft, and what
each of its savings gives; print tables, write results.json and levers.json. Run `dvc repro` first."""

from __future__ import annotations

import argparse
import statistics
import warnings
from pathlib import Path

import transformers

from benchmarks.processor import processor
from benchmarks.results import write_task
from benchmarks.table import print_figures
from benchmarks.train import levers, peer, stage
from promptstill.answers.spec import AnswerSpec
from promptstill.core.files import read_rows
from promptstill.core.paths import out
from promptstill.models.student import load_tokenizer
from promptstill.rows.row import SplitRow
from stages.train.params import TrainParams

RESULTS = Path(__file__).parent / "results.json"
LEVERS = Path(__file__).parent / "levers.json"


def main() -> None:
    """Measure one task, print its figures, and write them beside those of other tasks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("task", nargs="?", default="support-tickets")
    parser.add_argument("--rows", type=int, help="first rows of train and of validation; all by default")
    parser.add_argument("--epochs", type=int, help="epochs; those of the params by default")
    parser.add_argument("--seeds", type=int, default=1, help="trainings of each side")
    parser.add_argument(
        "--lever-rows", type=int, default=96, help="train rows of the levers; 0: do not measure"
    )
    arguments = parser.parse_args()
    # peft calls transformers in a deprecated way.
    warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing.*", category=FutureWarning)
    transformers.utils.logging.disable_progress_bar()
    # A base that is cut on loading has weights left over, which is no warning here.
    transformers.utils.logging.set_verbosity_error()

    params = TrainParams.load(arguments.task)
    if arguments.epochs is not None:
        params = params.model_copy(update={"epochs": arguments.epochs})
    spec, tokenizer = AnswerSpec.load(arguments.task), load_tokenizer(params.base)
    train_rows, held_out = (
        read_rows(out("split", arguments.task, name), SplitRow, "split")[: arguments.rows]
        for name in ("train", "validation")
    )
    trainer, ours = [], []
    for seed in range(params.seed, params.seed + arguments.seeds):
        seeded = params.model_copy(update={"seed": seed})
        trainer.append(peer.measure(train_rows, held_out, spec, tokenizer, seeded))
        ours.append(stage.measure(train_rows, held_out, spec, seeded))
    samples = len(train_rows) * params.epochs
    figures = compared(samples, trainer, ours)
    print_figures(figures, 3)
    results = {
        **{name: round(value, 4) for name, value in figures.items()},
        "accuracy_by_seed": {
            "stage": [round(run["accuracy"], 4) for run in ours],
            "stage_with_ngrams": [round(run["accuracy_with_ngrams"], 4) for run in ours],
            "trainer": [round(run["accuracy"], 4) for run in trainer],
        },
        "epochs": params.epochs,
        "held_out_rows": len(held_out),
        "metric_difference_by_seed": [
            round(mine["accuracy"] - its["accuracy"], 4) for mine, its in zip(ours, trainer, strict=True)
        ],
        "processor": processor(),
        "train_rows": len(train_rows),
    }
    write_task(RESULTS, arguments.task, results)
    if arguments.lever_rows:
        ratios = levers.measure(levers.Work(train_rows[: arguments.lever_rows], spec, tokenizer, params))
        print_figures({f"lever: {name}": ratio for name, ratio in ratios.items()}, 3)
        measured = {name: round(ratio, 3) for name, ratio in sorted(ratios.items())}
        rows = min(arguments.lever_rows, len(train_rows))
        write_task(LEVERS, arguments.task, {"levers": measured, "processor": processor(), "train_rows": rows})


def compared(samples: int, trainer: list[dict[str, float]], ours: list[dict[str, float]]) -> dict[str, float]:
    """Samples (rows times epochs) per second and label accuracies of both sides, means over seeds."""
    rates = {
        "trainer": samples / statistics.mean(run["seconds"] for run in trainer),
        "stage": samples / statistics.mean(run["seconds"] for run in ours),
    }
    accuracies = {
        "trainer": statistics.mean(run["accuracy"] for run in trainer),
        "stage": statistics.mean(run["accuracy"] for run in ours),
        "stage_with_ngrams": statistics.mean(run["accuracy_with_ngrams"] for run in ours),
    }
    return {
        "samples_per_second_vs_trainer": rates["stage"] / rates["trainer"],
        "samples_per_second_stage": rates["stage"],
        "samples_per_second_trainer": rates["trainer"],
        "accuracy_stage": accuracies["stage"],
        "accuracy_stage_with_ngrams": accuracies["stage_with_ngrams"],
        "accuracy_trainer": accuracies["trainer"],
        "metric_difference": accuracies["stage"] - accuracies["trainer"],
        "metric_difference_with_ngrams": accuracies["stage_with_ngrams"] - accuracies["trainer"],
    }


if __name__ == "__main__":
    main()
