"""The stage's training, with the functions of `stages/train`."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from promptstill.answers.spec import AnswerSpec
from promptstill.models.answering import Answerer
from promptstill.models.student import load_base
from promptstill.rows.row import Answer, SplitRow
from stages.train.checkpoint import Checkpoint
from stages.train.examples import examples_of
from stages.train.fit import fit
from stages.train.mixing import fit_ngrams, fit_weights
from stages.train.params import TrainParams


def measure(
    train_rows: Sequence[SplitRow],
    held_out: Sequence[SplitRow],
    spec: AnswerSpec,
    tokenizer: Any,  # noqa: ANN401
    params: TrainParams,
) -> dict[str, float]:
    """Seconds of a whole training, and the label accuracy on the held-out rows without and with n-grams."""
    answerer, seconds = trained(train_rows, held_out, spec, tokenizer, params)
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
    tokenizer: Any,  # noqa: ANN401
    params: TrainParams,
) -> tuple[Answerer, float]:
    """The language model that the stage trains, and the seconds of its training.

    The seconds have all that the stage does between the loaded base and the chosen adapter: frozen layers,
    validation after every epoch, checkpoints.
    """
    examples = [examples_of(rows, spec, tokenizer, params) for rows in (train_rows, validation)]
    base = load_base(params.base, params.layers)
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        checkpoint = Checkpoint(Path(folder) / "state.safetensors", "benchmark")
        model = fit(base, (examples[0], examples[1]), spec, tokenizer, params, checkpoint)
        seconds = time.perf_counter() - started
    return model, seconds


def _accuracy_with_ngrams(
    answerer: Answerer, train_rows: Sequence[SplitRow], held_out: Sequence[SplitRow], spec: AnswerSpec
) -> float:
    """Every held-out row is answered under weights from the other half of the held-out components."""
    ngrams = fit_ngrams(train_rows, answerer)
    of_half = {component: i % 2 for i, component in enumerate(sorted({row["component"] for row in held_out}))}
    halves = [[row for row in held_out if of_half[row["component"]] == half] for half in (0, 1)]
    right: list[bool] = []
    for fitting, judged in (halves, halves[::-1]):
        mixture = answerer.mixed_with(ngrams, fit_weights(fitting, answerer, ngrams))
        answers = mixture.answer([row["input"] for row in judged])
        right += right_labels([given.answer for given in answers], judged, spec)
    return statistics.mean(right)


def right_labels(answers: Sequence[Answer | None], rows: Sequence[SplitRow], spec: AnswerSpec) -> list[bool]:
    """Whether each answer has the label of its row."""
    return [
        answer is not None and spec.label(answer) == row["label"]
        for answer, row in zip(answers, rows, strict=True)
    ]
