"""Params of `eval`."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from promptstill.core.settings import StageParams


class EvalParams(StageParams):
    """How the contestants are compared."""

    stage: ClassVar[str] = "eval"

    encoder: str = Field(description="sentence-transformers model of the baseline `embeddings`")
    confidence_level: float = Field(default=0.95, gt=0, lt=1, description="confidence level of all intervals")
