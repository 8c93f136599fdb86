"""`python -m benchmarks.scoring [TASK]`: a student's exact scores against greedy `generate()` with the same
model; print a table, write results.json. Run `dvc repro` first."""

from __future__ import annotations

import argparse
import random
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import transformers

from benchmarks.decoding import generated
from benchmarks.processor import processor
from benchmarks.results import write_task
from benchmarks.table import print_figures
from promptstill.answers.spec import AnswerSpec
from promptstill.core.files import read_json, read_rows
from promptstill.core.paths import model_dir, out
from promptstill.models.answering import Answerer
from promptstill.models.reply import Reply
from promptstill.models.student import (
    Student,
    load_base,
    load_tokenizer,
    prompt_ids,
    student_file,
    student_of,
    student_tokenizer,
    with_adapter,
)
from promptstill.models.tokens import as_text
from promptstill.rows.row import SplitRow
from stages.train.params import TrainParams

RESULTS = Path(__file__).parent / "results.json"
TURNS = 3
# Requests that are sent alone in each turn.
SINGLE = 24
# A batch size that no other way of asking has.
ODD = 7


def loaded(task: str, spec: AnswerSpec) -> tuple[Any, Any, tuple[int, int], bool]:
    """Model, tokenizer and limits of the task's student, or of its untrained base; whether it is trained."""
    path = student_file(task)
    if path.exists() and Student.__required_keys__ <= read_json(path).keys():
        student, folder = student_of(task, spec), model_dir(task)
        model = with_adapter(load_base(student["base"], student["layers"]), folder)
        limits = student["max_input_tokens"], student["max_answer_tokens"]
        return model, student_tokenizer(folder), limits, True
    params = TrainParams.load(task)
    model = load_base(params.base, params.layers)
    return model, load_tokenizer(params.base), (params.max_input_tokens, params.max_answer_tokens), False


def speeds(texts: Sequence[str], ways: dict[str, Callable[[Sequence[str]], object]]) -> dict[str, float]:
    """Rows per second of each way, in batches and alone, medians of turns."""
    seconds: dict[str, list[float]] = {}
    for _ in range(TURNS):
        for name, ask in ways.items():
            started = time.perf_counter()
            ask(texts)
            batched = time.perf_counter()
            for text in texts[:SINGLE]:
                ask([text])
            alone = time.perf_counter() - batched
            seconds.setdefault(f"rows_per_second_{name}", []).append((batched - started) / len(texts))
            seconds.setdefault(f"single_per_second_{name}", []).append(alone / len(texts[:SINGLE]))
    return {name: 1 / statistics.median(turns) for name, turns in seconds.items()}


def steadiness(answerer: Answerer, texts: Sequence[str]) -> dict[str, float]:
    """What batch size and order change: the largest difference of a probability from that of full batches,
    and the number of rows with another answer.

    The probabilities of a key are compared where the pieces before it are the same.
    """
    order = list(range(len(texts)))
    random.Random(0).shuffle(order)
    shuffled = dict(zip(order, answerer.replies([texts[i] for i in order]), strict=True))
    parts = (texts[start : start + ODD] for start in range(0, len(texts), ODD))
    ways = {
        "single": [answerer.replies([text])[0] for text in texts],
        "odd_batches": [reply for part in parts for reply in answerer.replies(part)],
        "shuffled": [shuffled[i] for i in range(len(texts))],
    }
    full = answerer.replies(texts)
    figures: dict[str, float] = {}
    for name, replies in ways.items():
        pairs = list(zip(full, replies, strict=True))
        figures[f"largest_probability_difference_{name}"] = max(
            _difference(answerer, *pair) for pair in pairs
        )
        figures[f"answers_that_differ_{name}"] = sum(left.pieces != right.pieces for left, right in pairs)
    return figures


def _difference(answerer: Answerer, left: Reply, right: Reply) -> float:
    largest = 0.0
    for slot, piece, other in zip(answerer.script.slots, left.pieces, right.pieces, strict=True):
        if slot.closed:
            both = (np.exp(reply.log_probabilities[slot.key]) for reply in (left, right))
            largest = max(largest, float(np.abs(np.subtract(*both)).max()))
        if piece != other:
            break
    return largest


def main() -> None:
    """Measure one task, print its figures, and write them beside those of other tasks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("task", nargs="?", default="support-tickets")
    parser.add_argument("--rows", type=int, default=240, help="rows, validation's before train's")
    arguments = parser.parse_args()
    transformers.utils.logging.disable_progress_bar()

    spec = AnswerSpec.load(arguments.task)
    model, tokenizer, limits, trained = loaded(arguments.task, spec)
    rows = [
        row
        for name in ("validation", "train")
        for row in read_rows(out("split", arguments.task, name), SplitRow, "split")
    ][: arguments.rows]
    texts = [row["input"] for row in rows]
    # The end token is one more.
    length = round(
        statistics.median(1 + len(as_text(spec.text(row["answer"]), tokenizer).ids) for row in rows)
    )
    answerer = Answerer(model, tokenizer, spec, limits)

    def decode(chosen: Sequence[str]) -> None:
        prompts = [prompt_ids(text, tokenizer, limits[0]) for text in chosen]
        for text in generated(model, tokenizer, prompts, length, length):
            spec.parse(text)

    measured = speeds(texts, {"answerer": answerer.answer, "generate": decode})
    figures = {
        "rows_per_second_vs_generate": measured["rows_per_second_answerer"]
        / measured["rows_per_second_generate"],
        "single_vs_generate": measured["single_per_second_answerer"] / measured["single_per_second_generate"],
        **measured,
    }
    steady = steadiness(answerer, texts)
    print_figures(figures, 3)
    print_figures(steady, 9)
    results = {
        **{name: round(value, 3) for name, value in figures.items()},
        **{
            name: float(f"{value:.3g}") if isinstance(value, float) else value
            for name, value in steady.items()
        },
        "generated_tokens": length,
        "processor": processor(),
        "rows": len(rows),
        "trained": trained,
    }
    write_task(RESULTS, arguments.task, results)


if __name__ == "__main__":
    main()
