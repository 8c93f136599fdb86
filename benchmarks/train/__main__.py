"""Time one epoch of the stage's training loop and of the plain loop on the same rows, in turns; write
results.json.

The plain loop is what a user would write: peft on the whole model, labels masked to the answer, batches
padded to their longest row, logits at every position. Both adapt the same layers with the same batches of
rows. Run `dvc repro` first.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from torch import Tensor

from benchmarks.table import print_table
from promptstill.answers.script import Script
from promptstill.answers.spec import AnswerSpec
from promptstill.core.files import read_rows, write_json
from promptstill.core.paths import out
from promptstill.models.choices import choices_of, tokens_decided
from promptstill.models.products import fuse
from promptstill.models.student import load_base, load_tokenizer
from promptstill.rows.row import SplitRow
from stages.train.data import Data, batches
from stages.train.examples import Example, examples_of
from stages.train.frozen_layers import LINEAR, LayeredModel
from stages.train.params import TrainParams

TASK = "support-tickets"
ROWS = 96
TURNS = 3
RESULTS = Path(__file__).parent / "results.json"


def adapted(params: TrainParams) -> tuple[Any, LayeredModel]:
    """A fresh student with adapters, and its two halves."""
    base = load_base(params.base, params.layers)
    layered = LayeredModel(base, params.adapted_layers)
    lora = LoraConfig(
        r=params.rank,
        lora_alpha=params.alpha,
        target_modules=LINEAR,
        layers_to_transform=list(range(layered.cut, len(layered.layers))),
        task_type="CAUSAL_LM",
    )
    return get_peft_model(base, lora), layered


def plain_loss(model: Any, chosen: list[Example], pad: int) -> Tensor:  # noqa: ANN401
    """The loss of transformers itself, over padded rows with masked labels."""
    longest = max(len(example.ids) for example in chosen)
    ids = torch.tensor([example.ids + [pad] * (longest - len(example.ids)) for example in chosen])
    labels = torch.full_like(ids, -100)
    for i, example in enumerate(chosen):
        first = example.targets[0].position
        labels[i, first : len(example.ids)] = torch.tensor(example.ids[first:])
    mask = torch.tensor([[1] * len(example.ids) + [0] * (longest - len(example.ids)) for example in chosen])
    loss: Tensor = model(input_ids=ids, attention_mask=mask, labels=labels).loss
    return loss


def epoch(model: Any, order: list[list[int]], loss_of: Callable[[list[int]], Tensor]) -> float:  # noqa: ANN401
    """Seconds for one pass with forward, backward and optimiser step."""
    adapter = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(adapter, lr=1e-4)
    started = time.perf_counter()
    for batch in order:
        loss_of(batch).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        optimizer.zero_grad()
    return time.perf_counter() - started


def measure() -> dict[str, float]:
    """Seconds an epoch of both loops (medians of turns), of the frozen layers, and the ratios."""
    params, spec = TrainParams.load(TASK), AnswerSpec.load(TASK)
    tokenizer = load_tokenizer(params.base)
    rows = read_rows(out("split", TASK, "train"), SplitRow, "split")[:ROWS]
    examples = examples_of(rows, spec, tokenizer, params)
    decided = tokens_decided(choices_of(Script(spec), tokenizer))
    pad = tokenizer.pad_token_id
    in_buckets = batches(examples, params.batch_size, random.Random(0))
    mixed = [list(range(i, min(i + params.batch_size, ROWS))) for i in range(0, ROWS, params.batch_size)]

    plain, _ = adapted(params)
    ours, layered = adapted(params)
    fuse(ours)
    started = time.perf_counter()
    data = Data(examples, layered, decided, params.cache_gb, pad)
    frozen = time.perf_counter() - started
    seconds: dict[str, list[float]] = {"plain": [], "stage": []}
    for _ in range(TURNS):
        seconds["plain"].append(
            epoch(plain, mixed, lambda batch: plain_loss(plain, [examples[i] for i in batch], pad))
        )
        seconds["stage"].append(epoch(ours, in_buckets, lambda batch: data.losses(batch)[0].sum()))
    plain_epoch, stage_epoch = (statistics.median(seconds[name]) for name in ("plain", "stage"))
    whole_stage = frozen + params.epochs * stage_epoch
    tokens = sum(len(example.ids) for example in examples)
    return {
        "rows": ROWS,
        "tokens": tokens,
        "epochs": params.epochs,
        "plain_seconds_per_epoch": round(plain_epoch, 2),
        "stage_seconds_per_epoch": round(stage_epoch, 2),
        "frozen_layers_seconds_once": round(frozen, 2),
        "plain_tokens_per_second": round(tokens / plain_epoch),
        "stage_tokens_per_second": round(tokens / stage_epoch),
        "epoch_speedup": round(plain_epoch / stage_epoch, 2),
        "training_speedup": round(params.epochs * plain_epoch / whole_stage, 2),
    }


def main() -> None:
    """Measure, print a table, write results.json."""
    results = measure()
    print_table(("figure", "value"), results.items())
    write_json(RESULTS, results)


if __name__ == "__main__":
    main()
