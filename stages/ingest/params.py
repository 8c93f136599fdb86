"""Params of `ingest`."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, field_validator

from promptstill.console.errors import did_you_mean
from promptstill.core.settings import StageParams

PersonalData = Literal["secret", "email", "iban", "card", "ip", "phone"]


class IngestParams(StageParams):
    """Which personal data and secrets leave the text before anybody sees it, and which rows are too long."""

    stage: ClassVar[str] = "ingest"

    redact: tuple[PersonalData, ...] = Field(description="kinds of data replaced by placeholders")
    phone_regions: tuple[str, ...] = Field(
        description="ISO 3166 regions whose national phone formats count; international numbers always do"
    )
    max_chars: int = Field(
        default=50_000, gt=0, description="rows with a longer input leave, counted as `too_long`"
    )

    @field_validator("phone_regions")
    @classmethod
    def _known_regions(cls, regions: tuple[str, ...]) -> tuple[str, ...]:
        from phonenumbers import SUPPORTED_REGIONS

        for region in regions:
            if region not in SUPPORTED_REGIONS:
                near = did_you_mean(region.upper(), SUPPORTED_REGIONS)
                raise ValueError(
                    f"no region {region!r} with phone numbers{near}; write two capitals such as GB"
                )
        return regions
