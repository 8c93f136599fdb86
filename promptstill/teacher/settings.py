"""The settings of a teacher: who is asked, how, how often, and for how much."""

from __future__ import annotations

import re
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from promptstill.core.settings import Settings

LOCAL = "local"


class Sampling(Settings):
    """Sampling settings that are sent with every request; a setting that is null is not sent."""

    temperature: float | None = Field(default=None, ge=0, le=2, description="null: not sent")
    top_p: float | None = Field(default=None, gt=0, le=1, description="null: not sent")
    max_tokens: int | None = Field(default=None, ge=1, description="null: not sent")
    seed: int | None = Field(default=None, description="null: not sent")


class Price(Settings):
    """What the endpoint charges, in USD per million tokens."""

    prompt: float = Field(ge=0, description="USD per million prompt tokens")
    completion: float = Field(ge=0, description="USD per million completion tokens")
    batch: float = Field(default=1.0, gt=0, le=1, description="factor on both in batch mode")


class Limits(Settings):
    """The load that each server may get."""

    concurrency: int = Field(default=64, ge=1, description="requests in flight")
    requests_per_minute: float | None = Field(default=None, gt=0, description="null for no limit")
    tokens_per_minute: float | None = Field(default=None, gt=0, description="null for no limit")
    timeout_seconds: float = Field(default=60, gt=0, description="per try")
    max_retries: int = Field(
        default=5, ge=0, description="tries of a request after its first; then its row is given up"
    )
    first_wait_seconds: float = Field(
        default=0.5, gt=0, description="wait before the second try; it doubles with each further try"
    )
    max_wait_seconds: float = Field(
        default=600, gt=0, description="the longest pause; a server that wants a longer one is not used again"
    )


class Batch(Settings):
    """How the Batch API is used."""

    requests: int = Field(default=20_000, ge=1, le=50_000, description="requests per file")
    poll_seconds: float = Field(default=60, gt=0, description="time between two looks at a batch")


class Local(Settings):
    """A llama.cpp server in this process."""

    gguf: str = Field(description="path of a GGUF file, or the name of an installed wheel that contains one")
    context_tokens: int = Field(ge=64, description="of each slot: prompt and answer")
    slots: int = Field(ge=1, description="requests answered at once")


class TeacherSettings(Settings):
    """Which teacher is asked, how, how often, and for how much."""

    model: str = Field(description="the model's name, as the endpoint knows it")
    endpoint: str = Field(description="your name for who serves the model; part of every request's key")
    base_url: str | tuple[str, ...] | None = Field(
        description="an OpenAI-compatible server, several that serve the same model, or `local` for "
        "llama.cpp in this process; null for recorded and journaled answers only"
    )
    samples: int = Field(ge=1, description="independent answers per row")
    sampling: Sampling = Field(
        default_factory=Sampling, description="sampling settings sent with every request"
    )
    max_samples: int | None = Field(
        default=None,
        ge=1,
        description="ask up to this many while no answer has a majority or fewer than `samples` are valid; "
        "null for `samples`",
    )
    api_key_env: str = Field(
        default="OPENAI_API_KEY", description="the environment variable that holds the key"
    )
    mode: Literal["online", "batch"] = Field(
        default="online", description="chat completions, or the Batch API"
    )
    structured: bool = Field(
        default=False, description="send the answer schema as `response_format` to servers that accept it"
    )
    logprobs: bool = Field(default=False, description="ask for log-probabilities from servers that give them")
    grade: bool = Field(
        default=False, description="let the teacher grade its answers by prompts/<task>/rubric.md"
    )
    price: Price | None = Field(default=None, description="null: tokens are counted, cost is not")
    max_usd: float | None = Field(
        default=None, ge=0, description="the most that this version of the questions may cost"
    )
    max_failure_fraction: float = Field(
        default=0.02, ge=0, le=1, description="share of rows that may be given up, else the stage stops"
    )
    limits: Limits = Field(default_factory=Limits, description="load of each server")
    batch: Batch = Field(default_factory=Batch, description="used in batch mode")
    local: Local | None = Field(default=None, description="used if `base_url` is `local`")

    @field_validator("base_url")
    @classmethod
    def _addresses(cls, base_url: str | tuple[str, ...] | None) -> str | tuple[str, ...] | None:
        for url in (base_url,) if isinstance(base_url, str) else base_url or ():
            if base_url != LOCAL and not _is_address(url):
                raise ValueError(f"{url} is no address; write it as http://HOST/v1 or https://HOST/v1")
        return base_url

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.max_samples is not None and self.max_samples < self.samples:
            raise ValueError("max_samples must not be less than samples")
        if self.max_usd is not None and self.price is None:
            raise ValueError("max_usd needs price, because the cost of a request is unknown without it")
        if self.max_usd is not None and self.sampling.max_tokens is None:
            raise ValueError("max_usd needs sampling.max_tokens, because an answer may cost any amount")
        if self.base_url == LOCAL and self.local is None:
            raise ValueError("base_url: local needs the block local")
        if self.mode == "batch" and (self.base_url == LOCAL or len(self.base_urls) > 1):
            raise ValueError("mode: batch needs one base_url that has the Batch API")
        return self

    @property
    def base_urls(self) -> tuple[str, ...]:
        """The servers as a tuple; empty if no teacher is configured."""
        if self.base_url is None:
            return ()
        return (self.base_url,) if isinstance(self.base_url, str) else self.base_url

    @property
    def most_samples(self) -> int:
        """The most answers that a row may get."""
        return self.samples if self.max_samples is None else self.max_samples


def _is_address(url: str) -> bool:
    """Whether HTTP requests can be sent there: a scheme, a host, and a port that exists if one is given."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    named = parts.scheme in ("http", "https") and bool(parts.hostname)
    return named and port != 0 and not re.search(r"\s", url)
