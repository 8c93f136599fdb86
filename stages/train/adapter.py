"""The adapter: put on a base model before training, and written to a folder after it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model

from promptstill.console.errors import UserError
from promptstill.core.files import JsonObject, file_hash, replacing, write_json
from promptstill.core.resolve import commit_of
from promptstill.models.ngrams import Ngrams
from promptstill.models.products import fuse
from promptstill.models.student import Student
from stages.train.examples import Example
from stages.train.frozen_layers import LINEAR, Runner, runner
from stages.train.params import TrainParams

# Settings that transformers adds to a tokenizer's config about the way in which it was loaded.
OF_LOADING = ("is_local", "local_files_only", "name_or_path")


def adapted(base: Any, params: TrainParams, examples: list[Example], pad: int) -> tuple[Any, Runner]:  # noqa: ANN401
    """The base model with new adapters on its upper layers, and how to run it; see `runner`."""
    run = runner(base, params.adapted_layers, examples, pad)
    layers = len(base.model.layers)
    lora = LoraConfig(
        r=params.rank,
        lora_alpha=params.alpha,
        target_modules=LINEAR,
        layers_to_transform=list(range(layers - params.adapted_layers, layers)),
        task_type="CAUSAL_LM",
    )
    # Seeded here, because earlier steps such as the conversion of the base also draw random numbers.
    torch.manual_seed(params.seed)
    student = get_peft_model(base, lora)
    fuse(student)
    if params.gradient_checkpointing:
        if not base.supports_gradient_checkpointing:
            raise UserError(
                f"train.gradient_checkpointing: {type(base).__name__} does not support it; remove it"
            )
        base.activation_checkpointing_enable({"use_reentrant": False})
    return student, run


def save(student: Any, tokenizer: Any, ngrams: Ngrams | None, folder: Path, use: Student) -> None:  # noqa: ANN401
    """Write the adapter, the tokenizer with the chat template, the n-grams if there are any, and
    `student.json`, which says how to use them. The same training gives the same bytes wherever the base was
    loaded from."""
    with replacing(folder) as partial:
        student.save_pretrained(partial, safe_serialization=True)
        # peft writes an empty template of a card; the stage report makes the card.
        (partial / "README.md").unlink(missing_ok=True)
        tokenizer.save_pretrained(partial)
        if ngrams is not None:
            ngrams.save(partial)
        _rewrite(
            partial / "adapter_config.json",
            lambda config: {
                **config,
                "base_model_name_or_path": use["on_hub"] or use["base"],
                "revision": commit_of(use["base"]),
                "target_modules": sorted(config["target_modules"]),
            },
        )
        _rewrite(
            partial / "tokenizer_config.json",
            lambda config: {key: value for key, value in config.items() if key not in OF_LOADING},
        )
        files = {path.name: file_hash(path) for path in sorted(partial.iterdir())}
        write_json(partial / "student.json", {**use, "files": files})


def _rewrite(path: Path, change: Callable[[JsonObject], JsonObject]) -> None:
    content = change(json.loads(path.read_text(encoding="utf-8")))
    path.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")
