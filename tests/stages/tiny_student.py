"""A tiny student and examples for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from peft import LoraConfig, get_peft_model

from promptstill.answers.schema.script import Script
from promptstill.answers.spec import AnswerSpec, Normalisation
from promptstill.models.choices import Choices, choices_of, tokens_decided
from promptstill.models.student import load_base, load_tokenizer
from promptstill.models.tokens import around_input
from promptstill.rows.row import SplitRow
from stages.train.data import Data
from stages.train.examples import Example, examples_of
from stages.train.frozen_layers import LINEAR, LayeredModel, Runner
from tests.params import train_params
from tests.project import JSON_SCHEMA, TEXT_SCHEMA
from tests.rows import split_row

TEXT = AnswerSpec(TEXT_SCHEMA, Normalisation(format="text"))
JSON = AnswerSpec(
    JSON_SCHEMA, Normalisation(format="json", label="colour", scored={"alarm": "alarm_accuracy"})
)


@dataclass
class Task:
    """Rows with what a student of the tests' base learns from them."""

    spec: AnswerSpec
    rows: list[SplitRow]
    tokenizer: Any
    choices: list[Choices]
    examples: list[Example]

    def first(self, made: Example) -> int:
        """The position of the answer."""
        return made.text[1] + len(around_input(self.tokenizer)[1])

    def data(self, run: Runner, cache_gb: float = 1.0, of: slice = slice(None)) -> Data:
        """The examples, or a part of them, on a model."""
        examples = self.examples[of]
        return Data(examples, len(examples), run, tokens_decided(self.choices), cache_gb, pad=0)


def task_of(base: str, spec: AnswerSpec, rows: Sequence[SplitRow], **changes: Any) -> Task:
    """Tokenise rows of a task as training does."""
    tokenizer = load_tokenizer(base)
    params = train_params(**{"max_input_tokens": 16} | changes)
    made = examples_of(rows, spec, tokenizer, params)
    return Task(spec, list(rows), tokenizer, choices_of(Script(spec), tokenizer), made)


def colours(base: str, count: int) -> Task:
    """A task of one word, each in turn."""
    labels = TEXT_SCHEMA["enum"]
    return task_of(base, TEXT, [split_row(i, answer=labels[i % 3]) for i in range(count)])


def adapted(base: str, **lora: Any) -> tuple[Any, LayeredModel]:
    """The tests' base with adapters in its upper layer."""
    torch.manual_seed(0)
    model = load_base(base)
    layered = LayeredModel(model, 1)
    config = LoraConfig(
        **{"r": 2, "lora_alpha": 4} | lora,
        target_modules=LINEAR,
        layers_to_transform=[len(model.model.layers) - 1],
        task_type="CAUSAL_LM",
    )
    return get_peft_model(model, config), layered


def stir(model: Any, part: str = "lora_B") -> None:
    """Give adapters an effect, which they do not have at the start."""
    torch.manual_seed(1)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if part in name:
                parameter.normal_(std=0.2)
