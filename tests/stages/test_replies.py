"""Greedy replies and their probability."""

from __future__ import annotations

import math

import pytest
import torch

from promptstill.answers.spec import AnswerSpec, Normalisation
from promptstill.models.student import load_base, load_tokenizer, prompt_ids
from stages.eval.replies import generate_replies
from tests.project import TEXT_SCHEMA, row


def test_greedy_replies_are_in_order_and_have_their_probability(tiny: str) -> None:
    model, tokenizer = load_base(tiny), load_tokenizer(tiny)
    texts = [row(i)["input"] for i in range(20)]
    together = generate_replies(texts, model, tokenizer, 16, 4)
    assert all(0 <= reply.confidence <= 1 for reply in together)
    alone = [generate_replies([text], model, tokenizer, 16, 4)[0] for text in texts[:3]]
    for single, other in zip(alone, together, strict=False):
        assert single.text == other.text
        assert single.confidence == pytest.approx(other.confidence, abs=1e-3)


def test_a_reply_that_is_cut_off_is_no_answer(tiny: str) -> None:
    model, tokenizer = load_base(tiny), load_tokenizer(tiny)
    (cut,) = generate_replies([row(0)["input"]], model, tokenizer, 16, 3)
    assert cut.cut_off
    assert cut.parsed(AnswerSpec(TEXT_SCHEMA, Normalisation(format="text"))).problem == "cut_off"


def test_the_probability_is_that_of_the_tokens(tiny: str) -> None:
    model, tokenizer = load_base(tiny), load_tokenizer(tiny)
    text = row(1)["input"]
    prompt = prompt_ids(text, tokenizer, 16)
    (reply,) = generate_replies([text], model, tokenizer, 16, 3)
    ids, logs = list(prompt), []
    for _ in range(3):
        with torch.inference_mode():
            step = model(torch.tensor([ids])).logits[0, -1].log_softmax(-1)
        logs.append(float(step.max()))
        ids.append(int(step.argmax()))
    assert reply.confidence == pytest.approx(math.exp(sum(logs)), abs=1e-3)
    assert reply.token_confidence == pytest.approx(math.exp(sum(logs) / 3), abs=1e-3)


def test_penalties_of_the_base_do_not_change_greedy_decoding(tiny: str) -> None:
    model, tokenizer = load_base(tiny), load_tokenizer(tiny)
    plain = generate_replies([row(0)["input"]], model, tokenizer, 16, 6)
    model.generation_config.repetition_penalty = 5.0
    model.generation_config.temperature = 0.1
    assert generate_replies([row(0)["input"]], model, tokenizer, 16, 6) == plain
