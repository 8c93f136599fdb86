"""Greedy replies and their probability."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from stages.eval.replies import INPUT, generate_replies

from promptstill.answers.spec import AnswerSpec, Normalisation
from promptstill.models.student import load_base, load_tokenizer, prompt_ids
from promptstill.models.tokens import around_input, as_text
from stages.eval import replies as replies_module
from tests.families import FAMILIES, random_model
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


def one_by_one(ids: list[int], model: Any, tokenizer: Any, steps: int) -> tuple[str, float]:
    """What greedy decoding writes after `ids`, and its probability, with a whole pass for every token."""
    written: list[int] = []
    total = 0.0
    while len(written) < steps and tokenizer.eos_token_id not in written:
        with torch.inference_mode():
            logs = model(torch.tensor([ids + written]), use_cache=False).logits[0, -1].log_softmax(-1)
        total += float(logs.max())
        written.append(int(logs.argmax()))
    return str(tokenizer.decode(written, skip_special_tokens=True)), math.exp(total)


@pytest.mark.parametrize(("family", "settings"), [(name, settings) for name, settings, _ in FAMILIES])
@pytest.mark.parametrize(
    "prompt", ["Name the colour of the thing in this text.\nText: {input}\nColour:", "{input} is", INPUT]
)
def test_a_prompt_computed_once_gives_the_replies_of_whole_prompts(
    tiny: str, family: str, settings: dict[str, Any], prompt: str
) -> None:
    tokenizer, model = load_tokenizer(tiny), random_model(family, settings)
    texts = ["red", "In Oslo we found a rose and painted it", "a lime near Lima"]
    replies = generate_replies(texts, model, tokenizer, 48, 6, prompt=prompt)
    head, tail = (as_text(part, tokenizer).ids for part in prompt.split(INPUT))
    before, after = around_input(tokenizer)
    for text, reply in zip(texts, replies, strict=True):
        ids = before + head + as_text(text, tokenizer).ids + tail + after
        alone, probability = one_by_one(ids, model, tokenizer, 6)
        assert reply.text == alone
        assert reply.confidence == pytest.approx(probability, abs=1e-3)


def test_long_prompts_are_answered_in_smaller_batches(tiny: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model, tokenizer = load_base(tiny), load_tokenizer(tiny)
    texts = [row(i)["input"] for i in range(7)]
    together = [reply.text for reply in generate_replies(texts, model, tokenizer, 16, 4)]
    monkeypatch.setattr(replies_module, "BATCH_TOKENS", 60)
    sizes: list[int] = []
    generate = model.generate

    def counted(**arguments: Any) -> Any:
        sizes.append(arguments["input_ids"].numel())
        return generate(**arguments)

    monkeypatch.setattr(model, "generate", counted)
    assert [reply.text for reply in generate_replies(texts, model, tokenizer, 16, 4)] == together
    assert len(sizes) > 2
    assert max(sizes) <= 60
