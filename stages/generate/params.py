"""Params of `generate`."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from stages.shared.settings import Settings, StageParams

LOCAL = "local"


class Sampling(Settings):
    """Sampling settings sent with every request; a setting left out is not sent."""

    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, gt=0, le=1)
    max_tokens: int | None = Field(default=None, ge=1)
    seed: int | None = None


class Price(Settings):
    """What the endpoint charges, in USD per million tokens."""

    prompt: float = Field(ge=0)
    completion: float = Field(ge=0)
    batch: float = Field(default=1.0, gt=0, le=1, description="factor on both in batch mode")


class Limits(Settings):
    """How hard each server may be driven."""

    concurrency: int = Field(ge=1, description="requests in flight")
    requests_per_minute: float | None = Field(gt=0)
    tokens_per_minute: float | None = Field(gt=0)
    timeout_seconds: float = Field(gt=0, description="per try")
    max_retries: int = Field(ge=0, description="tries of a request after its first; then its row is given up")
    first_wait_seconds: float = Field(
        gt=0, description="before the second try; doubles with each further one"
    )
    max_wait_seconds: float = Field(
        gt=0, description="a server that asks for a longer pause is left for this run"
    )


class Batch(Settings):
    """Chunks of the Batch API."""

    requests: int = Field(ge=1, le=50_000, description="requests a file")
    poll_seconds: float = Field(gt=0)


class Local(Settings):
    """A llama.cpp server in this process."""

    gguf: str = Field(description="path of a GGUF file, or the name of an installed wheel that holds one")
    context_tokens: int = Field(ge=64, description="of each slot: prompt and answer")
    slots: int = Field(ge=1, description="requests answered at once")


class GenerateParams(StageParams):
    """Which teacher is asked, how, how often, and for how much."""

    stage: ClassVar[str] = "generate"

    model: str = Field(description="the model's name as the endpoint knows it")
    endpoint: str = Field(
        description="a name of your choice for who serves the model; part of every request's key"
    )
    base_url: str | tuple[str, ...] | None = Field(
        description="an OpenAI-compatible server, several that serve the same model, or `local` for "
        "llama.cpp in this process; null: recorded and journaled answers only"
    )
    api_key_env: str = Field(description="the environment variable that holds the key")
    mode: Literal["online", "batch"] = Field(description="chat completions, or the Batch API")
    samples: int = Field(ge=1, description="independent answers asked for a row")
    max_samples: int = Field(ge=1, description="more than `samples`: go on so far where they disagree")
    sampling: Sampling = Field(description="settings sent with every request")
    structured: bool = Field(
        description="send the answer schema as `response_format`, where the server takes it"
    )
    logprobs: bool = Field(description="ask for log-probabilities, where the server gives them")
    grade: bool = Field(description="let the teacher grade its answers by prompts/<task>/rubric.md")
    price: Price | None = Field(description="null: tokens are counted, cost is not")
    max_usd: float | None = Field(ge=0, description="most that this version of the questions may cost")
    max_failure_fraction: float = Field(
        ge=0, le=1, description="of rows given up, beyond which the stage stops"
    )
    limits: Limits = Field(description="of each server")
    batch: Batch = Field(description="used in batch mode")
    local: Local | None = Field(description="used where `base_url` is `local`")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.max_samples < self.samples:
            raise ValueError("max_samples must not be less than samples")
        if self.max_usd is not None and self.price is None:
            raise ValueError("max_usd needs price, or nobody knows what a request costs")
        if self.max_usd is not None and self.sampling.max_tokens is None:
            raise ValueError("max_usd needs sampling.max_tokens, or an answer may cost any amount")
        if self.base_url == LOCAL and self.local is None:
            raise ValueError("base_url: local needs the block local")
        if self.mode == "batch" and (self.base_url == LOCAL or len(self.base_urls) > 1):
            raise ValueError("mode: batch needs one base_url that has the Batch API")
        return self

    @property
    def base_urls(self) -> tuple[str, ...]:
        """The servers as a tuple; empty where no teacher is configured."""
        if self.base_url is None:
            return ()
        return (self.base_url,) if isinstance(self.base_url, str) else self.base_url
