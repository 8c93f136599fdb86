"""A whole training in memory: a base and examples in, the language model that answers out. No file is written
but the checkpoint."""

from __future__ import annotations

from typing import Any

from promptstill.answers.schema.form import AnswerForm
from promptstill.answers.schema.script import Script
from promptstill.models.answering import Answerer
from promptstill.models.choices import choices_of, tokens_decided
from stages.train.adapter import adapted
from stages.train.checkpoint import Checkpoint
from stages.train.data import Data
from stages.train.examples import Example
from stages.train.params import TrainParams
from stages.train.trainer import train


def fit(
    base: Any,  # noqa: ANN401
    examples: tuple[list[Example], list[Example]],
    form: AnswerForm,
    tokenizer: Any,  # noqa: ANN401
    params: TrainParams,
    checkpoint: Checkpoint,
) -> Answerer:
    """Train adapters on `base`, which becomes part of what is returned. `examples` are those of train and of
    validation. The n-grams are not part of it."""
    pad = tokenizer.pad_token_id
    student, runner = adapted(base, params, [*examples[0], *examples[1]], pad)
    decided = tokens_decided(choices_of(Script(form), tokenizer))
    learnt, held_out = (Data(part, runner, decided, params.cache_gb, pad) for part in examples)
    train(student, learnt, held_out, params, checkpoint)
    return Answerer(student.eval(), tokenizer, form, (params.max_input_tokens, params.max_answer_tokens))
