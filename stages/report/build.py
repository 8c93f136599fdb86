"""What the report reads about one build of a task, and whether it is of one build."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from promptstill.answers.prediction import Prediction
from promptstill.answers.spec import AnswerSpec
from promptstill.console.errors import UserError
from promptstill.core.files import JsonObject
from promptstill.core.paths import details_file, model_dir
from promptstill.models.student import Student
from promptstill.rows.row import SplitName, SplitRow

CERTIFICATES = ("leaks", "leaks_random")
METRICS = ("ingest", "generate", "validate", "dedupe", "split", "train", "eval", *CERTIFICATES)
SPLITS: tuple[SplitName, ...] = get_args(SplitName)
SETS = ("golden", "test")
TABLES = (
    "train_curve",
    "cascade",
    *(f"{table}_{name}" for table in ("slices", "labels", "confusion") for name in SETS),
)

# Lines of a CSV file by column.
Table = list[dict[str, str]]


@dataclass(frozen=True)
class Build:
    """The metrics and tables of all stages by name, the predictions, the rows of train and validation, and
    the student.

    `student` is `student.json` and `adapter` is `adapter_config.json` of the model's folder.
    """

    task: str
    spec: AnswerSpec
    metrics: dict[str, JsonObject]
    tables: dict[str, Table]
    predictions: list[Prediction]
    train: list[SplitRow]
    validation: list[SplitRow]
    student: Student
    adapter: JsonObject

    @property
    def confidence_level(self) -> str:
        """The confidence level of the intervals, such as `95 %`."""
        return f"{100 * self.metrics['eval']['confidence_level']:g}\u00a0%"

    @property
    def network(self) -> str:
        """What kind of network the student's is."""
        return "encoder" if self.student["kind"] == "encoder" else "language model"


def metrics_path(task: str, name: str) -> Path:
    """Where one of METRICS is: the metrics of the stage of that name, or a certificate of split."""
    return details_file("split", task, name) if name in CERTIFICATES else details_file(name, task)


def read_table(text: str) -> Table:
    """The lines of a CSV text by column."""
    return list(csv.DictReader(io.StringIO(text, newline="")))


def require_one_build(build: Build) -> None:
    """Raise UserError if student, certificate and answer rules come from different builds, because a card
    would then state facts about something else."""
    student = build.student
    checks = {
        metrics_path(build.task, "leaks"): (
            student["train_hash"] == build.metrics["leaks"]["files_sha256"]["train"],
            "certifies other train rows than those of the student",
        ),
        metrics_path(build.task, "train"): (
            student["train_hash"] == build.metrics["train"]["dataset_sha256"],
            "names other train rows than those of the student",
        ),
        metrics_path(build.task, "validate"): (
            student["answer_hash"] == build.metrics["validate"]["answer_spec_hash"] == build.spec.hash,
            "was made with other answer rules than the student",
        ),
        model_dir(build.task): (
            student["prompt_hash"] == build.metrics["generate"]["prompt_hash"],
            "was trained on the answers to another prompt",
        ),
    }
    for path, (holds, problem) in checks.items():
        if not holds:
            raise UserError(f"{path}: {problem}; run `dvc repro`")
