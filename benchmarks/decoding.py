"""Answers as a user of transformers gets them: greedy `generate()` over padded batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from promptstill.models.scoring import BATCH


def generated(
    model: Any,  # noqa: ANN401
    tokenizer: Any,  # noqa: ANN401
    prompts: Sequence[list[int]],
    most_tokens: int,
    least_tokens: int = 0,
) -> list[str]:
    """The texts that continue prompts of token ids, in the order of the prompts, in batches of `BATCH`
    prompts of similar length. A text ends with the end token, which cannot occur before `least_tokens`, or at
    `most_tokens`."""
    order = sorted(range(len(prompts)), key=lambda i: (len(prompts[i]), i))
    texts = [""] * len(prompts)
    for start in range(0, len(order), BATCH):
        batch = order[start : start + BATCH]
        padded = tokenizer.pad(
            {"input_ids": [prompts[i] for i in batch]}, padding_side="left", return_tensors="pt"
        ).to(model.device)
        with torch.inference_mode():
            ids = model.generate(
                **padded,
                do_sample=False,
                max_new_tokens=most_tokens,
                min_new_tokens=least_tokens,
                pad_token_id=tokenizer.pad_token_id,
            )
        new = ids[:, padded["input_ids"].shape[1] :]
        decoded = tokenizer.batch_decode(new, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        for i, text in zip(batch, decoded, strict=True):
            texts[i] = text
    return texts
