"""The two similarities that make rows near, as settings: every block of thresholds declares them by these
types."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

MinCosine = Annotated[float, Field(alias="meaning", ge=0, le=1, description="cosine of the embeddings")]
MinTextOverlap = Annotated[
    float,
    Field(
        alias="text",
        ge=0,
        le=1,
        description="Jaccard index of character n-grams; in languages that the encoder does not know, "
        "embeddings alone connect unrelated rows",
    ),
]
