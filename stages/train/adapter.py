"""The adapter: put on a base model before training, and written to a folder after it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model

from promptstill.core.files import replacing, write_json
from stages.train.examples import Example
from stages.train.frozen_layers import LINEAR, Runner, runner
from stages.train.fused import fuse
from stages.train.params import TrainParams


def adapted(base: Any, params: TrainParams, examples: list[Example], pad: int) -> tuple[Any, Runner]:  # noqa: ANN401
    """The base model with new adapters on its upper layers, and how to run it; see `runner`."""
    run = runner(base, params.adapted_layers, examples, pad)
    layers = len(base.model.layers)
    lora = LoraConfig(
        r=params.rank,
        lora_alpha=params.alpha,
        lora_dropout=params.dropout,
        target_modules=LINEAR,
        layers_to_transform=list(range(layers - params.adapted_layers, layers)),
        task_type="CAUSAL_LM",
    )
    # Seeded here, because earlier steps such as the conversion of the base also draw random numbers.
    torch.manual_seed(params.seed)
    student = get_peft_model(base, lora)
    fuse(student)
    return student, run


def save(student: Any, folder: Path, use: dict[str, Any]) -> None:  # noqa: ANN401
    """Write the adapter with `student.json`, which says how to use it. The same training gives the same bytes
    wherever the base was loaded from."""
    with replacing(folder) as partial:
        student.save_pretrained(partial, safe_serialization=True)
        # peft writes an empty template of a card; the stage report makes the card.
        (partial / "README.md").unlink(missing_ok=True)
        config_file = partial / "adapter_config.json"
        config = json.loads(config_file.read_text(encoding="utf-8"))
        config |= {
            "base_model_name_or_path": use["base"],
            "target_modules": sorted(config["target_modules"]),
        }
        config_file.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        write_json(partial / "student.json", use)
