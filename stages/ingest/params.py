"""Params of `ingest`."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from promptstill.core.settings import StageParams

PersonalData = Literal["secret", "email", "iban", "card", "ip", "phone"]


class IngestParams(StageParams):
    """Which personal data and secrets leave the text before anybody sees it."""

    stage: ClassVar[str] = "ingest"

    redact: tuple[PersonalData, ...] = Field(description="kinds of data replaced by placeholders")
    phone_regions: tuple[str, ...] = Field(
        description="ISO 3166 regions whose national phone formats count; international numbers always do"
    )
