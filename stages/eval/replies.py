"""Greedy replies of a student or a base model, with their probability."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import torch
from transformers import DynamicCache, GenerationConfig, LogitsProcessor
from transformers.cache_utils import DynamicLayer

from promptstill.answers.consensus import parse_reply
from promptstill.answers.spec import AnswerSpec, Parsed
from promptstill.models.student import input_ids
from promptstill.models.tokens import around_input, as_text

# Where a prompt has the text.
INPUT = "{input}"
# Rows and tokens of a batch, at most. A batch holds inputs of similar length.
BATCH = 48
BATCH_TOKENS = 16_384


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
    done: Callable[[int], object] | None = None,
    prompt: str = INPUT,
) -> list[Reply]:
    """Greedy replies in the order of `texts`. Generation ends at the end-of-turn token or after
    `max_new_tokens`. `done` is called with the number of rows of each batch that is answered. A `prompt` has
    its text around `{input}`."""
    # Instead of the base's own config, which may hold penalties that change what greedy decoding takes.
    model.generation_config = GenerationConfig(
        do_sample=False,
        max_new_tokens=max_new_tokens,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    head, _, tail = prompt.partition(INPUT)
    before, after = around_input(tokenizer)
    before, after = before + as_text(head, tokenizer).ids, as_text(tail, tokenizer).ids + after
    own = [input_ids(text, tokenizer, max_input_tokens) + after for text in texts]
    shared = _Shared.of(before, model)
    order = sorted(range(len(own)), key=lambda i: (len(own[i]), i))
    replies: dict[int, Reply] = {}
    while order:
        # The next input is the longest one that waits, so no other needs more tokens.
        rows = max(1, min(BATCH, BATCH_TOKENS // (len(before) + len(own[order[-1]]))))
        batch, order = order[-rows:], order[:-rows]
        replies |= zip(batch, _answer([own[i] for i in batch], shared, model, tokenizer), strict=True)
        if done is not None:
            done(len(batch))
    return [replies[i] for i in range(len(texts))]


@dataclass(frozen=True)
class _Shared:
    """The tokens with which every prompt begins, and what the model's attention keeps of them.

    A teacher's prompt is ten times as long as an input, so it is computed once and not for each text. `kept`
    is None where a layer attends to the last tokens only: there, padding would push others out of reach.
    """

    ids: list[int]
    kept: DynamicCache | None

    @classmethod
    def of(cls, ids: list[int], model: Any) -> _Shared:  # noqa: ANN401
        """Run the model over the tokens."""
        cache = DynamicCache(config=model.config)
        if not ids or any(type(layer) is not DynamicLayer for layer in cache.layers):
            return cls(ids, None)
        with torch.inference_mode():
            model(input_ids=torch.tensor([ids], device=model.device), past_key_values=cache)
        return cls(ids, cache)

    def cache(self, rows: int) -> DynamicCache | None:
        """A copy for `rows` texts, which decoding extends."""
        copy = deepcopy(self.kept)
        if copy is not None:
            copy.batch_repeat_interleave(rows)
        return copy

    def padded(self, own: list[int], width: int, pad: int) -> tuple[list[int], list[int]]:
        """A whole prompt with `width` tokens beside the shared ones, and its mask.

        All replies of a batch begin at the same position, so padding is on the left, but after kept tokens.
        """
        padding = [pad] * (width - len(own))
        left, right = (self.ids, own) if self.kept is not None else ([], self.ids + own)
        mask = [1] * len(left) + [0] * len(padding) + [1] * len(right)
        return left + padding + right, mask


def _answer(own: list[list[int]], shared: _Shared, model: Any, tokenizer: Any) -> list[Reply]:  # noqa: ANN401
    width = max(len(ids) for ids in own)
    prompts = [shared.padded(ids, width, tokenizer.pad_token_id) for ids in own]
    greedy = _GreedyLogProbabilities()
    with torch.inference_mode():
        sequences = model.generate(
            input_ids=torch.tensor([ids for ids, _ in prompts], device=model.device),
            attention_mask=torch.tensor([mask for _, mask in prompts], device=model.device),
            past_key_values=shared.cache(len(own)),
            logits_processor=[greedy],
        )
    logs = torch.stack(greedy.steps, dim=1).tolist()
    tokens = sequences[:, len(shared.ids) + width :].tolist()
    return [_reply(*pair, tokenizer) for pair in zip(tokens, logs, strict=True)]


def _reply(tokens: list[int], logs: list[float], tokenizer: Any) -> Reply:  # noqa: ANN401
    ended = tokenizer.eos_token_id in tokens
    end = tokens.index(tokenizer.eos_token_id) if ended else len(tokens)
    text = tokenizer.decode(tokens[:end], skip_special_tokens=True)
    counted = logs[: end + 1]
    total = sum(counted)
    return Reply(text, round(math.exp(total), 4), round(math.exp(total / len(counted)), 4), not ended)
