"""Params of `generate`."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from stages.shared.settings import Settings, StageParams


class Sampling(Settings):
    """Sampling settings sent with every request; a setting left out is not sent."""

    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, gt=0, le=1)
    max_tokens: int | None = Field(default=None, ge=1)
    seed: int | None = None


class GenerateParams(StageParams):
    """Which teacher is asked, how, and how often."""

    stage: ClassVar[str] = "generate"

    model: str = Field(description="the model's name as the endpoint knows it")
    endpoint: str = Field(
        description="a name of your choice for who serves the model; part of every request's key"
    )
    base_url: str | None = Field(
        description="an OpenAI-compatible server; null: recorded and journaled answers only"
    )
    api_key_env: str = Field(description="the environment variable that holds the key")
    samples: int = Field(ge=1, description="independent answers asked for a row")
    sampling: Sampling = Field(description="settings sent with every request")
    structured: bool = Field(description="send the answer schema as `response_format`")
    concurrency: int = Field(ge=1, description="requests in flight")
    timeout_seconds: float = Field(gt=0, description="per try")
    max_retries: int = Field(ge=0, description="tries after the first, for rate limits and server errors")
