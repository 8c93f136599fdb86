"""Params of `review`."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from promptstill.core.settings import StageParams


class ReviewParams(StageParams):
    """How much people look at."""

    stage: ClassVar[str] = "review"

    rows: int = Field(default=200, ge=1, description="rows in the review queue")
    random: float = Field(
        default=0.2,
        ge=0,
        le=1,
        description="share of the queue that is a random choice of the kept rows, which measures how good "
        "the kept labels are",
    )
