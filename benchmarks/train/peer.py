"""What a user would write: `transformers.Trainer` and peft on the whole model, with the whole JSON answer."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from transformers import (
    AutoModelForCausalLM,
    DataCollatorForSeq2Seq,
    PrinterCallback,
    Trainer,
    TrainingArguments,
)

from benchmarks.decoding import generated
from benchmarks.train.stage import right_labels
from promptstill.answers.spec import AnswerSpec
from promptstill.core.resolve import resolve
from promptstill.models.student import prompt_ids
from promptstill.models.tokens import as_text
from promptstill.rows.row import SplitRow
from stages.train.params import TrainParams

# The label of a token that is not learnt.
IGNORED = -100


def plain_base(base: str, layers: int | None = None) -> Any:  # noqa: ANN401
    """The base in float32 as transformers loads it, with its lowest `layers` or all."""
    only = {} if layers is None else {"num_hidden_layers": layers}
    return AutoModelForCausalLM.from_pretrained(resolve(base), dtype=torch.float32, **only)


def with_lora(
    base: Any,  # noqa: ANN401
    params: TrainParams,
    target_modules: str | list[str] = "all-linear",
    layers: list[int] | None = None,
) -> Any:  # noqa: ANN401
    """The base with new adapters on all `layers`, or on those of these numbers."""
    torch.manual_seed(params.seed)
    lora = LoraConfig(
        r=params.rank,
        lora_alpha=params.alpha,
        target_modules=target_modules,
        layers_to_transform=layers,
        task_type="CAUSAL_LM",
    )
    return get_peft_model(base, lora)


def answer_ids(row: SplitRow, spec: AnswerSpec, tokenizer: Any) -> list[int]:  # noqa: ANN401
    """The tokens of the row's whole canonical answer, with the end token."""
    return [*as_text(spec.text(row["answer"]), tokenizer).ids, tokenizer.eos_token_id]


def masked(ids: list[int], learnt: Sequence[int]) -> dict[str, list[int]]:
    """A row for the Trainer: token ids, with labels at the `learnt` positions alone."""
    labels = [IGNORED] * len(ids)
    for position in learnt:
        labels[position] = ids[position]
    return {"input_ids": ids, "labels": labels}


def whole_answers(
    rows: Sequence[SplitRow],
    spec: AnswerSpec,
    tokenizer: Any,  # noqa: ANN401
    params: TrainParams,
) -> list[dict[str, list[int]]]:
    """Rows for the Trainer: the input in the chat template and the whole answer, which alone is learnt."""
    data = []
    for row in rows:
        prompt = prompt_ids(row["input"], tokenizer, params.max_input_tokens)
        ids = prompt + answer_ids(row, spec, tokenizer)
        data.append(masked(ids, range(len(prompt), len(ids))))
    return data


def padding(tokenizer: Any) -> Callable[[list[Any]], Any]:  # noqa: ANN401
    """The collator of transformers that pads rows to the longest one of their batch."""
    collate: Callable[[list[Any]], Any] = DataCollatorForSeq2Seq(tokenizer, label_pad_token_id=IGNORED)
    return collate


def trained(
    model: Any,  # noqa: ANN401
    data: Sequence[Any],
    collate: Callable[[list[Any]], Any],
    params: TrainParams,
    batch_size: int | None = None,
) -> float:
    """Train with the Trainer; return the seconds. Nothing is logged, evaluated or saved."""
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(
            model=model,
            args=TrainingArguments(
                output_dir=folder,
                num_train_epochs=params.epochs,
                per_device_train_batch_size=batch_size or params.batch_size,
                learning_rate=params.learning_rate,
                warmup_steps=params.warmup,
                weight_decay=params.weight_decay,
                seed=params.seed,
                logging_strategy="no",
                save_strategy="no",
                report_to="none",
                disable_tqdm=True,
                remove_unused_columns=False,
                dataloader_pin_memory=False,
            ),
            train_dataset=data,
            data_collator=collate,
        )
        # Without a bar, the Trainer prints its summary instead.
        trainer.remove_callback(PrinterCallback)
        started = time.perf_counter()
        trainer.train()
        return time.perf_counter() - started


def measure(
    train_rows: Sequence[SplitRow],
    held_out: Sequence[SplitRow],
    spec: AnswerSpec,
    tokenizer: Any,  # noqa: ANN401
    params: TrainParams,
) -> dict[str, float]:
    """Seconds of a whole training, and the label accuracy of decoded answers to the held-out rows."""
    model = with_lora(plain_base(params.base), params)
    data = whole_answers(train_rows, spec, tokenizer, params)
    seconds = trained(model, data, padding(tokenizer), params)
    prompts = [prompt_ids(row["input"], tokenizer, params.max_input_tokens) for row in held_out]
    longest = max(len(answer_ids(row, spec, tokenizer)) for row in train_rows)
    answers = [spec.parse(text).answer for text in generated(model.eval(), tokenizer, prompts, longest)]
    return {"seconds": seconds, "accuracy": statistics.mean(right_labels(answers, held_out, spec))}
