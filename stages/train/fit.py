"""A whole training in memory: rows in, both experts of a student out. The checkpoint is the only file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from promptstill.answers.schema.form import AnswerForm
from promptstill.models.answering import Answerer
from promptstill.models.ngrams import Ngrams
from promptstill.models.student import Weights
from promptstill.rows.row import SplitRow
from stages.train import causal, encoder, parallel
from stages.train.checkpoint import Checkpoint
from stages.train.learnable import Untrained
from stages.train.mixing import fit_ngrams, fit_weights
from stages.train.params import TrainParams
from stages.train.trainer import Trained, train


@dataclass(frozen=True)
class Fitted:
    """A student in its parts. The model of `made` has learnt, and `answerer` is that model alone."""

    made: Untrained
    trained: Trained
    answerer: Answerer
    ngrams: Ngrams
    weights: dict[str, Weights]

    @property
    def student(self) -> Answerer:
        """Both experts together."""
        return self.answerer.mixed_with(self.ngrams, self.weights)


def fit(
    rows: Mapping[str, Sequence[SplitRow]], form: AnswerForm, params: TrainParams, checkpoint: Checkpoint
) -> Fitted:
    """Learn from the rows `train`; choose the epoch and the weights by the rows `validation`. Of several
    processes, only the first one returns."""
    made = untrained(rows, form, params)
    trained = train(made.model, made.data["train"], made.data["validation"], params, checkpoint)
    parallel.leave()
    answerer = answerer_of(made, form, params)
    ngrams = fit_ngrams(rows["train"], answerer)
    return Fitted(made, trained, answerer, ngrams, fit_weights(rows["validation"], answerer, ngrams, form))


def untrained(rows: Mapping[str, Sequence[SplitRow]], form: AnswerForm, params: TrainParams) -> Untrained:
    """The base with new adapters, and what it learns from. Raises UserError for a schema that the student
    could not write."""
    if params.student == "encoder":
        return encoder.untrained(rows, form, params)
    return causal.untrained(rows, form, params)


def answerer_of(made: Untrained, form: AnswerForm, params: TrainParams) -> Answerer:
    """The trained model, which answers alone."""
    return Answerer(
        made.model.eval(), made.tokenizer, form, (params.max_input_tokens, params.max_answer_tokens)
    )
