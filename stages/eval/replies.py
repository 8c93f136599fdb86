"""Greedy replies of a student or a base model, with their probability."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from tqdm import tqdm
from transformers import GenerationConfig, LogitsProcessor

from promptstill.answers.consensus import parse_reply
from promptstill.answers.spec import AnswerSpec, Parsed
from promptstill.models.student import prompt_ids

# Rows per batch; a batch holds inputs of similar length.
BATCH = 48


@dataclass(frozen=True)
class Reply:
    """A reply of the student.

    `confidence` is the probability that the model gives to the whole reply, its end included: the product
    over the tokens. `token_confidence` is their geometric mean, which does not fall with the reply's length.
    `cut_off` says that the reply reached the limit of tokens before its end; its `confidence` is that of the
    beginning only and must not be compared with others.
    """

    text: str
    confidence: float
    token_confidence: float
    cut_off: bool

    def parsed(self, spec: AnswerSpec) -> Parsed:
        """The answer in the reply; none if it was cut off."""
        return parse_reply(self.text, "length" if self.cut_off else "stop", spec)


class _GreedyLogProbabilities(LogitsProcessor):  # type: ignore[misc]
    """Keeps the log-probability of the token that greedy decoding takes, and not the logits of all tokens,
    which would be rows x vocabulary x steps numbers."""

    def __init__(self) -> None:
        self.steps: list[torch.Tensor] = []

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        best = scores.max(dim=-1).values
        self.steps.append(best - scores.logsumexp(dim=-1))
        return scores


def generate_replies(
    texts: Sequence[str],
    model: Any,  # noqa: ANN401
    tokenizer: Any,  # noqa: ANN401
    max_input_tokens: int,
    max_new_tokens: int,
    bar: tqdm[Any] | None = None,
) -> list[Reply]:
    """Greedy replies in the order of `texts`, each of which advances the bar. Generation ends at the
    end-of-turn token or after `max_new_tokens`."""
    # Instead of the base's own config, which may hold penalties that change what greedy decoding takes.
    model.generation_config = GenerationConfig(
        do_sample=False,
        max_new_tokens=max_new_tokens,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    prompts = [prompt_ids(text, tokenizer, max_input_tokens) for text in texts]
    order = sorted(range(len(prompts)), key=lambda i: (len(prompts[i]), i))
    replies: dict[int, Reply] = {}
    for start in range(0, len(order), BATCH):
        batch = order[start : start + BATCH]
        replies |= zip(batch, _answer([prompts[i] for i in batch], model, tokenizer), strict=True)
        if bar is not None:
            bar.update(len(batch))
    return [replies[i] for i in range(len(texts))]


def _answer(prompts: list[list[int]], model: Any, tokenizer: Any) -> list[Reply]:  # noqa: ANN401
    width = max(len(prompt) for prompt in prompts)
    # Padding is on the left, so that all replies begin at the same position.
    pad = [width - len(prompt) for prompt in prompts]
    ids = [[tokenizer.pad_token_id] * p + prompt for p, prompt in zip(pad, prompts, strict=True)]
    mask = [[0] * p + [1] * (width - p) for p in pad]
    greedy = _GreedyLogProbabilities()
    with torch.inference_mode():
        sequences = model.generate(
            input_ids=torch.tensor(ids, device=model.device),
            attention_mask=torch.tensor(mask, device=model.device),
            logits_processor=[greedy],
        )
    logs = torch.stack(greedy.steps, dim=1).tolist()
    tokens = sequences[:, width:].tolist()
    return [_reply(*pair, tokenizer) for pair in zip(tokens, logs, strict=True)]


def _reply(tokens: list[int], logs: list[float], tokenizer: Any) -> Reply:  # noqa: ANN401
    ended = tokenizer.eos_token_id in tokens
    end = tokens.index(tokenizer.eos_token_id) if ended else len(tokens)
    text = tokenizer.decode(tokens[:end], skip_special_tokens=True)
    counted = logs[: end + 1]
    total = sum(counted)
    return Reply(text, round(math.exp(total), 4), round(math.exp(total / len(counted)), 4), not ended)
