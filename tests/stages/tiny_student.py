"""A tiny student and examples for it."""

from __future__ import annotations

from typing import Any

import torch
from peft import LoraConfig, get_peft_model

from promptstill.answers.spec import AnswerSpec, Normalisation
from promptstill.models.student import load_base, load_tokenizer
from promptstill.rows.row import SplitRow
from stages.train.examples import Example, common_values, examples_of
from stages.train.frozen_layers import LINEAR, LayeredModel
from stages.train.params import TrainParams
from tests.params import train_params
from tests.project import JSON_SCHEMA, TEXT_SCHEMA
from tests.rows import split_row

TEXT = AnswerSpec(TEXT_SCHEMA, Normalisation(format="text"))
JSON = AnswerSpec(
    JSON_SCHEMA, Normalisation(format="json", label="colour", scored={"alarm": "alarm_accuracy"})
)


def made_of(rows: list[SplitRow], spec: AnswerSpec, tokenizer: Any, chosen: TrainParams) -> list[Example]:
    return examples_of(rows, spec, tokenizer, chosen, common_values(rows, chosen))


def adapted(base: str) -> tuple[Any, LayeredModel]:
    torch.manual_seed(0)
    model = load_base(base)
    layered = LayeredModel(model, 1)
    config = LoraConfig(
        r=2, lora_alpha=4, target_modules=LINEAR, layers_to_transform=[1], task_type="CAUSAL_LM"
    )
    return get_peft_model(model, config), layered


def examples(base: str, count: int) -> list[Example]:
    labels = TEXT_SCHEMA["enum"]
    rows = [split_row(i, answer=labels[i % 3]) for i in range(count)]
    return made_of(rows, TEXT, load_tokenizer(base), train_params(max_input_tokens=16))
