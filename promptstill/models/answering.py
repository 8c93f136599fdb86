"""The whole student as one object: texts in, answers with calibrated confidence out."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from promptstill.answers.schema.form import AnswerForm
from promptstill.answers.schema.script import Script
from promptstill.models.choices import choices_of
from promptstill.models.citations import look_up
from promptstill.models.encoder import Encoder, EncoderScorer
from promptstill.models.grammar import writers_of
from promptstill.models.mixture import aligned, mixed
from promptstill.models.ngrams import Ngrams
from promptstill.models.reply import Reply
from promptstill.models.scoring import INPUT, Scorer
from promptstill.models.student import (
    Student,
    Weights,
    load_base,
    student_tokenizer,
    weighs_ngrams,
    with_adapter,
)
from promptstill.rows.row import Answer


@dataclass(frozen=True)
class StudentAnswer:
    """An answer of a student, which is None if it was cut off or breaks a rule of the schema that decoding
    does not know; see `models/grammar.py`.

    `confidence` is the probability that the answer is right in every scored key, and `confidences` has that
    of each key's value, given the values before it.
    """

    answer: Answer | None
    confidence: float
    confidences: dict[str, float]
    cut_off: bool


class Answerer:
    """A model, and for a student the n-grams beside it, with the form of a task's answers."""

    def __init__(
        self,
        model: Any,  # noqa: ANN401
        tokenizer: Any,  # noqa: ANN401
        form: AnswerForm,
        limits: tuple[int, int],
        ngrams: Ngrams | None = None,
        weights: Mapping[str, Weights] | None = None,
        prompt: str = INPUT,
    ) -> None:
        """The model is a causal language model or an `Encoder`. `limits` are the most tokens of an input and
        of an answer. A `prompt` has the text around `{input}`; an encoder reads none."""
        self._form, self.script = form, Script(form)
        self._scorer: Scorer | EncoderScorer
        if isinstance(model, Encoder):
            self._scorer = EncoderScorer(model, tokenizer, self.script.slots, limits[0])
        else:
            choices = choices_of(self.script, tokenizer)
            writers = writers_of(choices, form, tokenizer)
            self._scorer = Scorer(model, tokenizer, choices, writers, *limits, prompt=prompt)
        self._ngrams, self._weights = ngrams, dict(weights or {})

    def mixed_with(self, ngrams: Ngrams, weights: Mapping[str, Weights]) -> Self:
        """The same model beside n-grams."""
        other = copy(self)
        other._ngrams, other._weights = ngrams, dict(weights)
        return other

    @classmethod
    def load(cls, folder: Path, student: Student, form: AnswerForm) -> Self:
        """The student in `folder`, which `student` describes."""
        if student["kind"] == "encoder":
            model = Encoder.load(folder, student, Script(form).slots)
        else:
            model = with_adapter(load_base(student["base"], student["layers"]), folder)
        limits = student["max_input_tokens"], student["max_answer_tokens"]
        ngrams = Ngrams.load(folder) if weighs_ngrams(student["weights"]) else None
        tokenizer = student_tokenizer(folder, student["kind"])
        return cls(model, tokenizer, form, limits, ngrams, student["weights"])

    def answer(
        self, texts: Sequence[str], done: Callable[[int], object] | None = None
    ) -> list[StudentAnswer]:
        """Answers in the order of `texts`. `done` is called with the number of rows of each batch that is
        answered."""
        return [self._answered(reply) for reply in self.replies(texts, done)]

    def replies(self, texts: Sequence[str], done: Callable[[int], object] | None = None) -> list[Reply]:
        """What the experts give to the pieces of each answer together."""
        known = self._ngrams_of(texts)

        def judge(key: str, rows: Sequence[int], values: np.ndarray) -> np.ndarray:
            if key not in self._weights:
                return values
            of_ngrams = known[key][list(rows)] if key in known else np.zeros_like(values)
            return mixed(values, of_ngrams, self._weights[key])

        replies = self._scorer.reply(texts, done, judge)
        for slot in self.script.slots:
            if slot.closed or slot.key not in self._weights:
                continue
            weights = self._weights[slot.key]
            for text, reply in zip(texts, replies, strict=True):
                if "passages" in weights:
                    look_up(text, reply, self._form, self.script, weights["passages"])
                reply.probabilities[slot.key] **= weights["model"]
        return replies

    def given(self, texts: Sequence[str], pieces: Sequence[Sequence[str]]) -> dict[str, np.ndarray]:
        """The model's log-probabilities of the pieces of each listed key, shape (texts, pieces),
        given that the listed keys before it have the `pieces` of each text, one for each slot. Rows
        whose piece is implied have no meaning. Free values behind the last listed key are not decoded."""
        slots = {slot.key: (i, slot) for i, slot in enumerate(self.script.slots)}
        known = {
            key: np.empty((len(texts), len(slot.pieces))) for key, (_, slot) in slots.items() if slot.closed
        }

        def judge(key: str, rows: Sequence[int], values: np.ndarray) -> np.ndarray:
            known[key][list(rows)] = values
            certain, (place, slot) = np.full_like(values, -np.inf), slots[key]
            for of_row, row in zip(certain, rows, strict=True):
                of_row[slot.pieces.index(pieces[row][place])] = 0.0
            return certain

        listed = [place for place, slot in slots.values() if slot.closed]
        if listed:
            self._scorer.reply(texts, judge=judge, slots=1 + max(listed))
        return known

    def _ngrams_of(self, texts: Sequence[str]) -> dict[str, np.ndarray]:
        """The log-probabilities that the n-grams give to the pieces of each listed key."""
        if self._ngrams is None:
            return {}
        given = self._ngrams.log_probabilities(texts)
        return {
            key: aligned(given[key], self._ngrams.classes[key], slot.pieces)
            for slot in self.script.slots
            if (key := slot.key) in given
        }

    def _answered(self, reply: Reply) -> StudentAnswer:
        confidence = math.prod(
            value for key, value in reply.probabilities.items() if key in self.script.scored
        )
        confidences = {key: round(value, 4) for key, value in reply.probabilities.items()}
        answer = None
        if not reply.cut_off:
            answer = self._form.canonical(self.script.answer(reply.pieces, confidence))
        return StudentAnswer(answer, round(confidence, 4), confidences, reply.cut_off)
