"""The student: its settings, its model, and inputs as token ids without any prompt."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NotRequired, TypeAlias, TypedDict

from promptstill.answers.schema.form import AnswerForm
from promptstill.console.errors import UserError
from promptstill.core.files import file_hash, read_json
from promptstill.core.paths import model_dir
from promptstill.core.resolve import model_hash, resolve
from promptstill.models.tokens import around_input, as_text, prepare, prepare_encoder

# How the vectors of an encoder's tokens become that of the text: their mean, or the first one.
Pooling: TypeAlias = Literal["mean", "cls"]
# A causal language model, which writes the values of an answer, or a text encoder with a head for each key.
Kind: TypeAlias = Literal["causal", "encoder"]


class Weights(TypedDict):
    """The exponents of the two experts in the probabilities of a key's values; see `models/mixture.py`.

    Where the citations of an answer are looked up instead of written, `passages` is the share of its words
    that a passage must add; see `models/citations.py`.
    """

    model: float
    ngrams: float
    passages: NotRequired[float]


class Student(TypedDict):
    """`models/<task>/student.json`: how to use an adapter, and what it belongs to.

    An encoder has a `pooling`, which is null for a causal language model, and uses no `max_answer_tokens`.
    `layers` is the number of the base's layers that it keeps, or null for all. `weights` has those of the
    model and of the n-grams, by key. `on_hub` is the base's Hugging Face id, or null. `files` has the SHA-256
    of every other file of the folder.
    """

    task: str
    kind: Kind
    pooling: Pooling | None
    base: str
    base_hash: str
    layers: int | None
    weights: dict[str, Weights]
    on_hub: str | None
    max_input_tokens: int
    max_answer_tokens: int
    answer_hash: str
    prompt_hash: str
    train_hash: str
    files: dict[str, str]


def weighs_ngrams(weights: Mapping[str, Weights]) -> bool:
    """Whether the n-grams count in any key."""
    return any(of_key["ngrams"] for of_key in weights.values())


def student_file(task: str) -> Path:
    """The description of a task's student, in the folder of its adapter."""
    return model_dir(task) / "student.json"


def read_student(task: str) -> Student:
    """`student.json` of a task's adapter as it is. Raises UserError if it is missing or lacks a key."""
    path = student_file(task)
    if not path.exists():
        raise UserError(
            f"{path}: no such file; build the student with `dvc repro`, or get it with `dvc pull`"
        )
    student: Student = read_json(path)
    if not isinstance(student, dict):
        raise UserError(f"{path}: not a JSON object; build the student anew with `dvc repro`")
    if missing := sorted(Student.__required_keys__ - student.keys()):
        raise UserError(f"{path}: {missing[0]}: missing; build the student anew with `dvc repro`")
    return student


def student_of(task: str, spec: AnswerForm) -> Student:
    """`student.json` of a task's adapter, after a comparison of all that it names with what is there.

    Raises UserError if there is no student, if it was trained for answers of another shape or on another
    base, or if a file of it is missing or is not the one that training wrote.
    """
    student, folder = read_student(task), model_dir(task)
    if student["answer_hash"] != spec.hash:
        raise UserError(f"{folder}: was trained for another answer schema; run `dvc repro`")
    for name, digest in student["files"].items():
        _require_file(folder / name, digest)
    if model_hash(student["base"]) != student["base_hash"]:
        raise UserError(
            f"{student_file(task)}: {student['base']} is not the base that the student was trained on (its "
            "files differ); bring that base back, or train a new student with `dvc repro`"
        )
    return student


def _require_file(path: Path, digest: str) -> None:
    if not path.is_file():
        raise UserError(f"{path}: no such file; get it with `dvc checkout` or `dvc pull`")
    if file_hash(path) != digest:
        raise UserError(
            f"{path}: not the file that training wrote (its SHA-256 differs); remove it, and get it again "
            "with `dvc checkout` or `dvc pull`"
        )


def load_tokenizer(base: str, kind: Kind = "causal") -> Any:  # noqa: ANN401
    """The tokenizer of a base model by name; that of a causal one with a student's chat template."""
    return _tokenizer(resolve(base), base, kind)


def student_tokenizer(folder: Path, kind: Kind = "causal") -> Any:  # noqa: ANN401
    """The tokenizer in a student's folder, as it was in training."""
    return _tokenizer(str(folder), str(folder), kind)


def _tokenizer(folder: str, name: str, kind: Kind) -> Any:  # noqa: ANN401
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    from transformers import AutoTokenizer

    ready = prepare if kind == "causal" else prepare_encoder
    return ready(AutoTokenizer.from_pretrained(folder), name)


def load_base(base: str, layers: int | None = None) -> Any:  # noqa: ANN401
    """The base model by name, in evaluation mode, on the GPU if there is one; in the precision of `quicken`.

    It has the lowest `layers` of the base, or all. Raises UserError if there are fewer, or if the model has
    no list of layers.
    """
    folder = resolve(base)
    import torch
    import transformers

    from promptstill.models.products import precision, quicken

    transformers.utils.logging.disable_progress_bar()
    gpu = torch.cuda.is_available()
    model = transformers.AutoModelForCausalLM.from_pretrained(
        folder, dtype=precision() if gpu else torch.float32, use_safetensors=True
    )
    if layers is not None:
        _keep_layers(model, layers)
    return quicken(model.to("cuda" if gpu else "cpu").eval())


def _keep_layers(model: Any, layers: int) -> None:  # noqa: ANN401
    """Remove the layers above the lowest `layers`."""
    decoder: Any = getattr(model, "model", None)
    held = getattr(decoder, "layers", None)
    if held is None:
        raise UserError(f"train.layers: {type(model).__name__} has no `model.layers`; remove the param")
    if layers > len(held):
        raise UserError(f"train.layers: {layers}, but the base has {len(held)}; lower it")
    decoder.layers = held[:layers]
    model.config.num_hidden_layers = layers
    if getattr(model.config, "layer_types", None):
        model.config.layer_types = model.config.layer_types[:layers]


def with_adapter(model: Any, adapter: Path) -> Any:  # noqa: ANN401
    """The base model with an adapter beside its weights. The weights stay unmerged, because merged weights
    round differently."""
    from peft import PeftModel

    from promptstill.models.products import fuse

    return fuse(PeftModel.from_pretrained(model, str(adapter))).eval()


def prompt_ids(text: str, tokenizer: Any, max_input_tokens: int) -> list[int]:  # noqa: ANN401
    """Token ids of `text` as a user's message, up to where the answer begins."""
    before, after = around_input(tokenizer)
    return before + input_ids(text, tokenizer, max_input_tokens) + after


def input_ids(text: str, tokenizer: Any, max_input_tokens: int) -> list[int]:  # noqa: ANN401
    """Token ids of `text` alone.

    A longer text keeps its head and its tail, because what a message asks for is usually at one of its ends.
    """
    ids: list[int] = as_text(text, tokenizer).ids
    if len(ids) > max_input_tokens:
        tail = max_input_tokens // 2
        ids = ids[: max_input_tokens - tail] + ids[len(ids) - tail :]
    return ids
