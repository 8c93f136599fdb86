"""How long a server asks to wait: Retry-After, and the headers that providers send beside it or instead."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

# A longer wait is cut to this. Nobody waits for it, and its end would have no date.
LONGEST_SECONDS = 10 * 366 * 86_400.0
# Larger numbers are points in time: seconds, or milliseconds, since 1970.
LEAST_EPOCH, LEAST_EPOCH_MS = 1e9, 1e11
UNITS = {"d": 86_400.0, "h": 3_600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
PART = re.compile(r"(\d+(?:\.\d+)?)(ms|us|µs|ns|d|h|m|s)")
DURATION = re.compile(f"(?:{PART.pattern})+")


def pause_of(headers: Mapping[str, str], status: int, now: datetime) -> float | None:
    """Seconds that a refusal asks to wait; None if it does not say.

    Retry-After is a number or a date (RFC 9110, section 10.2.3). A 429 may have `x-ratelimit-reset-requests`
    and `-tokens` instead. Every header may have a provider's prefix, such as `llm_provider-retry-after`.
    """
    milliseconds = _number(_header(headers, "retry-after-ms"))
    if milliseconds is not None:
        return _bounded(milliseconds / 1000)
    asked = _seconds(_header(headers, "retry-after"), now)
    if asked is not None or status != 429:
        return asked
    return _reset(headers, now)


def _header(headers: Mapping[str, str], name: str) -> str | None:
    """A header by its name, or else by its name after a prefix."""
    lowered = {key.lower(): value for key, value in headers.items()}
    prefixed = (value for key, value in sorted(lowered.items()) if key.endswith(f"-{name}"))
    return lowered.get(name) or next(prefixed, None)


def _reset(headers: Mapping[str, str], now: datetime) -> float | None:
    """When the limit that is used up is full again. If no header says which limit that is, the first one."""
    used_up: list[float] = []
    others: list[float] = []
    for limit in ("requests", "tokens"):
        seconds = _seconds(_header(headers, f"x-ratelimit-reset-{limit}"), now)
        if seconds is None:
            continue
        left = _number(_header(headers, f"x-ratelimit-remaining-{limit}"))
        (used_up if left is not None and left <= 0 else others).append(seconds)
    if used_up or others:
        return max(used_up) if used_up else min(others)
    return _seconds(_header(headers, "x-ratelimit-reset"), now)


def _seconds(value: str | None, now: datetime) -> float | None:
    """A number of seconds, a duration such as `6m0s`, a point in time as a number, or a date."""
    if value is None:
        return None
    number = _number(value)
    if number is not None:
        if number >= LEAST_EPOCH:
            number = (number / 1000 if number >= LEAST_EPOCH_MS else number) - now.timestamp()
        return _bounded(number)
    if DURATION.fullmatch(value.strip()):
        return _bounded(sum(float(count) * UNITS[unit] for count, unit in PART.findall(value)))
    try:
        date = parsedate_to_datetime(value)
        return _bounded(((date if date.tzinfo else date.replace(tzinfo=UTC)) - now).total_seconds())
    except (ValueError, OverflowError, TypeError, IndexError):
        return None


def _number(value: str | None) -> float | None:
    try:
        number = float(value or "")
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _bounded(seconds: float) -> float:
    return min(max(0.0, seconds), LONGEST_SECONDS)
