"""A causal language model with new adapters, and what it learns from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from promptstill.answers.schema.form import AnswerForm
from promptstill.answers.schema.script import Script
from promptstill.models.choices import choices_of, tokens_decided
from promptstill.models.grammar import writers_of
from promptstill.models.student import load_base, load_tokenizer
from promptstill.rows.row import SplitRow
from stages.train.adapter import adapted
from stages.train.data import Data
from stages.train.examples import examples_of
from stages.train.frozen_layers import whole_model
from stages.train.learnable import Untrained
from stages.train.params import TrainParams
from stages.train.variation import by_epoch


def untrained(rows: Mapping[str, Sequence[SplitRow]], form: AnswerForm, params: TrainParams) -> Untrained:
    """The base with adapters on its upper layers, and the rows as tokens, by the name of the split."""
    tokenizer = load_tokenizer(params.base)
    choices = choices_of(Script(form), tokenizer)
    # What the student could not write after training is refused before it.
    writers_of(choices, form, tokenizer)
    seen = {"train": by_epoch(rows["train"], form, params), "validation": [rows["validation"]]}
    examples = {
        name: [example for part in epochs for example in examples_of(part, form, tokenizer, params)]
        for name, epochs in seen.items()
    }
    decided = tokens_decided(choices)
    base = load_base(params.base, params.layers)
    student, runner = adapted(
        base, params, [*examples["train"], *examples["validation"]], tokenizer.pad_token_id
    )
    data = {
        # What is seen in one epoch only need not be kept.
        name: Data(
            part,
            len(rows[name]),
            runner,
            decided,
            params.cache_gb if len(part) == len(rows[name]) else 0.0,
            tokenizer.pad_token_id,
        )
        for name, part in examples.items()
    }
    return Untrained(student, tokenizer, data, whole_model(runner, base))
