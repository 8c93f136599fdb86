"""Params of `dedupe`."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field, field_validator

from promptstill.answers.schema.rules import with_groups
from promptstill.core.settings import Settings, StageParams
from promptstill.near.engine import EngineName
from promptstill.near.thresholds import MinCosine, MinTextOverlap


class Flooding(Settings):
    """Limits paraphrases per source: a row leaves if `most` better rows near it, with its source and answer,
    stay."""

    min_cosine: MinCosine = 0.70
    min_text_overlap: MinTextOverlap = 0.30
    most: int = Field(default=20, ge=1, description="rows that must stay near a row before it leaves")


class DedupeParams(StageParams):
    """When two rows count as near-duplicates: both similarities must reach their threshold."""

    stage: ClassVar[str] = "dedupe"

    encoder: str = Field(
        description="sentence-transformers model: name of a wheel, folder or org/name@commit"
    )
    min_cosine: MinCosine
    min_text_overlap: MinTextOverlap
    part: str | None = Field(
        default=None,
        description="regular expression with one group, the part of a text that distinguishes rows; for rows "
        "that share most of their text: both thresholds must be reached by the parts too",
    )
    across_labels: bool = Field(
        default=False,
        description="let a row leave for a near row with another label; for labels in free text, which "
        "hardly any two rows share",
    )
    slice_minimum: dict[str, int] = Field(
        default_factory=dict,
        description="rows that a slice should keep; below that, its rows are preferred to equally good rows",
    )
    flooding: Flooding | None = Field(
        default_factory=Flooding, description="limit on paraphrases per source; null for none"
    )
    engine: EngineName = Field(
        default="local", description="where texts are encoded and compared: local, or ray for a Ray cluster"
    )

    @field_validator("part")
    @classmethod
    def _one_group(cls, part: str | None) -> str | None:
        return None if part is None else with_groups(part, 1, "the part of a text")
