"""Greedy replies of a student or a base model, with their probability."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from promptstill.console.progress import progress
from promptstill.models.student import prompt_ids

# Rows per batch; a batch holds inputs of similar length.
BATCH = 48


@dataclass(frozen=True)
class Reply:
    """A reply of the student, and the probability that it gives to the whole reply: the product over its
    tokens."""

    text: str
    confidence: float


def generate_replies(
    texts: list[str],
    model: Any,  # noqa: ANN401
    tokenizer: Any,  # noqa: ANN401
    max_input_tokens: int,
    max_new_tokens: int,
) -> list[Reply]:
    """Greedy replies in the order of `texts`. Generation ends at the end-of-turn token or after
    `max_new_tokens`."""
    import torch

    prompts = [prompt_ids(text, tokenizer, max_input_tokens) for text in texts]
    order = sorted(range(len(prompts)), key=lambda i: (len(prompts[i]), i))
    replies: dict[int, Reply] = {}
    with progress(len(texts), "answering") as bar, torch.inference_mode():
        for start in range(0, len(order), BATCH):
            batch = order[start : start + BATCH]
            width = max(len(prompts[i]) for i in batch)
            # Padding is on the left, so that all replies begin at the same position.
            pad = [width - len(prompts[i]) for i in batch]
            ids = torch.tensor(
                [[tokenizer.pad_token_id] * p + prompts[i] for p, i in zip(pad, batch, strict=True)]
            )
            mask = torch.tensor([[0] * p + [1] * (width - p) for p in pad])
            generated = model.generate(
                input_ids=ids.to(model.device),
                attention_mask=mask.to(model.device),
                max_new_tokens=max_new_tokens,
                do_sample=False,
                pad_token_id=tokenizer.pad_token_id,
                eos_token_id=tokenizer.eos_token_id,
                return_dict_in_generate=True,
                output_logits=True,
            )
            new = generated.sequences[:, width:]
            chosen = [
                step.log_softmax(-1).gather(1, new[:, t : t + 1]).squeeze(1)
                for t, step in enumerate(generated.logits)
            ]
            log_probability = torch.stack(chosen, dim=1).tolist()
            for i, tokens, logs in zip(batch, new.tolist(), log_probability, strict=True):
                replies[i] = _reply(tokens, logs, tokenizer)
            bar.update(len(batch))
    return [replies[i] for i in range(len(texts))]


def _reply(tokens: list[int], logs: list[float], tokenizer: Any) -> Reply:  # noqa: ANN401
    end = tokens.index(tokenizer.eos_token_id) if tokenizer.eos_token_id in tokens else len(tokens)
    text = tokenizer.decode(tokens[:end], skip_special_tokens=True)
    return Reply(text, round(math.exp(sum(logs[: end + 1])), 4))
