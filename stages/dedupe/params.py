"""Params of `dedupe`."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from promptstill.core.settings import Settings, StageParams
from promptstill.near.engine import EngineName


class Flooding(Settings):
    """Limits paraphrases per source: of connected rows of one source, the best `most` stay."""

    min_cosine: float = Field(
        default=0.70, alias="meaning", ge=0, le=1, description="cosine of the embeddings"
    )
    min_text_overlap: float = Field(
        default=0.30, alias="text", ge=0, le=1, description="Jaccard index of character n-grams"
    )
    most: int = Field(default=20, ge=1, description="connected rows of one source that may stay")


class DedupeParams(StageParams):
    """When two rows count as near-duplicates: both similarities must reach their threshold."""

    stage: ClassVar[str] = "dedupe"

    encoder: str = Field(
        description="sentence-transformers model: name of a wheel, folder or org/name@commit"
    )
    min_cosine: float = Field(alias="meaning", ge=0, le=1, description="cosine of the embeddings")
    min_text_overlap: float = Field(
        alias="text",
        ge=0,
        le=1,
        description="Jaccard index of character n-grams; in languages that the encoder does not know, "
        "embeddings alone connect unrelated rows",
    )
    slice_minimum: dict[str, int] = Field(
        default_factory=dict,
        description="rows that a slice should keep; below that, its rows are preferred within their groups",
    )
    flooding: Flooding | None = Field(
        default_factory=Flooding, description="limit on paraphrases per source; null for none"
    )
    engine: EngineName = Field(
        default="local", description="where texts are encoded and compared: local, or ray for a Ray cluster"
    )
