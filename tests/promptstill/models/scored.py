"""A scorer for a made-up task on a tiny model, and the plain computation that it must agree with."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch

from promptstill.answers.schema.script import Script
from promptstill.answers.spec import AnswerSpec
from promptstill.models.choices import Choices, choices_of
from promptstill.models.grammar import writers_of
from promptstill.models.scoring import INPUT, Scorer
from promptstill.models.student import input_ids
from promptstill.models.tokens import around_input, as_text

TEXTS = ["red", "In Oslo we found a rose and painted it, then we counted the limes", "", "a lime near Lima",
         "ice", "we bought a whale near Essen"]  # fmt: skip


def scorer(
    model: Any, tokenizer: Any, spec: AnswerSpec, prompt: str = INPUT, most: int = 24, most_input: int = 48
) -> tuple[Scorer, list[Choices]]:
    choices = choices_of(Script(spec), tokenizer)
    writers = writers_of(choices, spec, tokenizer)
    return Scorer(model, tokenizer, choices, writers, most_input, most, prompt), choices


def whole_prompt(text: str, tokenizer: Any, prompt: str = INPUT, most_input: int = 48) -> list[int]:
    head, tail = (as_text(part, tokenizer).ids for part in prompt.split(INPUT))
    before, after = around_input(tokenizer)
    return [*before, *head, *input_ids(text, tokenizer, most_input), *tail, *after]


def plain_log_probability(model: Any, ids: list[int], taken: Sequence[int], all_: Sequence[Any]) -> float:
    """The logarithm of the probability of one sequence of `all_` after `ids`: a whole pass over both, and at
    each token a softmax over those with which some sequence goes on."""
    with torch.inference_mode():
        logits = model(torch.tensor([[*ids, *taken]]), use_cache=False).logits[0, len(ids) - 1 :].double()
    total = 0.0
    for i, token in enumerate(taken):
        following = sorted({other[i] for other in all_ if other[:i] == tuple(taken[:i])})
        total += float(logits[i, following].log_softmax(-1)[following.index(token)])
    return total


def plain_answer(model: Any, ids: list[int], choices: Sequence[Choices]) -> list[tuple[str, list[float]]]:
    """The piece of each closed slot, and the probabilities of all of its pieces."""
    answered = []
    for slot in choices:
        logs = [plain_log_probability(model, ids, taken, slot.sequences) for taken in slot.sequences]
        best = logs.index(max(logs))
        answered.append((slot.slot.pieces[best], [math.exp(value) for value in logs]))
        ids = [*ids, *slot.sequences[best]]
    return answered
