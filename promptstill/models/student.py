"""The student: inputs as token ids without any prompt, and greedy replies with their probability."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from promptstill.answers.form import AnswerForm
from promptstill.console.errors import UserError
from promptstill.console.progress import progress
from promptstill.core.files import read_json
from promptstill.core.paths import model_dir
from promptstill.models.resolve import resolve

# Rows per batch; a batch holds inputs of similar length.
BATCH = 48


@dataclass(frozen=True)
class Reply:
    """A reply of the student, and the probability that it gives to the whole reply: the product over its
    tokens."""

    text: str
    confidence: float


def student_of(task: str, spec: AnswerForm) -> dict[str, Any]:
    """`student.json` of a task's adapter: base, limits and hashes.

    Raises UserError if there is none, or if it was trained for answers of another shape.
    """
    path = model_dir(task) / "student.json"
    if not path.exists():
        raise UserError(
            f"{path}: no such file; build the student with `dvc repro`, or get it with `dvc pull`"
        )
    student: dict[str, Any] = read_json(path)
    if student["answer_hash"] != spec.hash:
        raise UserError(f"{model_dir(task)}: was trained for another answer schema; run `dvc repro`")
    return student


def load_tokenizer(base: str) -> Any:  # noqa: ANN401
    """The tokenizer of a base model by name."""
    folder = resolve(base)
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder)


def load_base(base: str) -> Any:  # noqa: ANN401
    """The base model by name: float32, in evaluation mode, on the GPU if there is one."""
    folder = resolve(base)
    import torch
    import transformers

    transformers.utils.logging.disable_progress_bar()
    model = transformers.AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, use_safetensors=True
    )
    return model.to("cuda" if torch.cuda.is_available() else "cpu").eval()


def with_adapter(model: Any, adapter: Path) -> Any:  # noqa: ANN401
    """The base model with an adapter beside its weights. The weights stay unmerged, because merged weights
    round differently."""
    from peft import PeftModel

    return PeftModel.from_pretrained(model, str(adapter)).eval()


def prompt_ids(text: str, tokenizer: Any, max_input_tokens: int) -> list[int]:  # noqa: ANN401
    """Token ids of `text` as a user's message, up to where the answer begins.

    A longer text keeps its head and its tail, because what a message asks for is usually at one of its ends.
    """
    ids: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
    if len(ids) > max_input_tokens:
        tail = max_input_tokens // 2
        ids = ids[: max_input_tokens - tail] + ids[len(ids) - tail :]
    before, after = _around_input(tokenizer)
    return before + ids + after


def _around_input(tokenizer: Any) -> tuple[list[int], list[int]]:  # noqa: ANN401
    """The chat template's tokens before and after the user's text."""
    mark = "\u241f"
    rendered = tokenizer.apply_chat_template(
        [{"role": "user", "content": mark}], tokenize=False, add_generation_prompt=True
    )
    before, after = rendered.split(mark)
    return (
        tokenizer(before, add_special_tokens=False)["input_ids"],
        tokenizer(after, add_special_tokens=False)["input_ids"],
    )


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
