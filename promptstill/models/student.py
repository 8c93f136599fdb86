"""The student: its settings, its model, and inputs as token ids without any prompt."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from promptstill.answers.spec import AnswerSpec
from promptstill.console.errors import UserError
from promptstill.core.files import read_json
from promptstill.core.paths import model_dir
from promptstill.models.resolve import resolve
from promptstill.models.tokens import around_input, as_text, prepare


def student_of(task: str, spec: AnswerSpec) -> dict[str, Any]:
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

    return prepare(AutoTokenizer.from_pretrained(folder), base)


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
    ids = as_text(text, tokenizer).ids
    if len(ids) > max_input_tokens:
        tail = max_input_tokens // 2
        ids = ids[: max_input_tokens - tail] + ids[len(ids) - tail :]
    before, after = around_input(tokenizer)
    return before + ids + after
