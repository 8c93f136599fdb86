"""The stage's training, with the functions of `stages/train`."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from promptstill.answers.spec import AnswerSpec
from promptstill.models.answering import Answerer
from promptstill.rows.row import Answer, SplitRow
from stages.train.checkpoint import Checkpoint
from stages.train.fit import answerer_of, untrained
from stages.train.mixing import fit_ngrams, fit_weights
from stages.train.params import TrainParams
from stages.train.trainer import train


def measure(
    train_rows: Sequence[SplitRow],
    held_out: Sequence[SplitRow],
    spec: AnswerSpec,
    params: TrainParams,
) -> dict[str, float]:
    """Seconds of a whole training, and the label accuracy on the held-out rows without and with n-grams."""
    answerer, seconds = trained(train_rows, held_out, spec, params)
    answers = answerer.answer([row["input"] for row in held_out])
    return {
        "seconds": seconds,
        "accuracy": statistics.mean(right_labels([given.answer for given in answers], held_out, spec)),
        "accuracy_with_ngrams": _accuracy_with_ngrams(answerer, train_rows, held_out, spec),
    }


def trained(
    train_rows: Sequence[SplitRow],
    validation: Sequence[SplitRow],
    spec: AnswerSpec,
    params: TrainParams,
) -> tuple[Answerer, float]:
    """The language model that the stage trains, and the seconds of its training.

    The seconds have all that the stage does up to the chosen adapter: loading the base, tokens, frozen
    layers, validation after every epoch, checkpoints.
    """
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        checkpoint = Checkpoint(Path(folder) / "state.safetensors", "benchmark")
        made = untrained({"train": train_rows, "validation": validation}, spec, params)
        train(made.model, made.data["train"], made.data["validation"], params, checkpoint)
        seconds = time.perf_counter() - started
    return answerer_of(made, spec, params), seconds


def _accuracy_with_ngrams(
    answerer: Answerer, train_rows: Sequence[SplitRow], held_out: Sequence[SplitRow], spec: AnswerSpec
) -> float:
    """Every held-out row is answered under weights from the other half of the held-out components."""
    ngrams = fit_ngrams(train_rows, answerer)
    of_half = {component: i % 2 for i, component in enumerate(sorted({row["component"] for row in held_out}))}
    halves = [[row for row in held_out if of_half[row["component"]] == half] for half in (0, 1)]
    right: list[bool] = []
    for fitting, judged in (halves, halves[::-1]):
        mixture = answerer.mixed_with(ngrams, fit_weights(fitting, answerer, ngrams, spec))
        answers = mixture.answer([row["input"] for row in judged])
        right += right_labels([given.answer for given in answers], judged, spec)
    return statistics.mean(right)


def right_labels(answers: Sequence[Answer | None], rows: Sequence[SplitRow], spec: AnswerSpec) -> list[bool]:
    """Whether each answer has the label of its row."""
    return [
        answer is not None and spec.label(answer) == row["label"]
        for answer, row in zip(answers, rows, strict=True)
    ]
