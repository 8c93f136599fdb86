"""Params of `eval`."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from stages.shared.settings import StageParams


class EvalParams(StageParams):
    """How the contestants are compared."""

    stage: ClassVar[str] = "eval"

    confidence_level: float = Field(gt=0, lt=1, description="of the Wilson intervals")
    encoder: str = Field(description="sentence-transformers model under the baseline")
    baseline_c: float = Field(
        gt=0, description="inverse regularisation of the baseline's logistic regression"
    )
