"""What a run works on and how it went, online or in batches."""

from __future__ import annotations

from dataclasses import dataclass, field

BUDGET_REACHED = "max_usd is reached"


@dataclass
class Run:
    """How a run went: rows given up with their reasons, rows completed, requests answered, calls that failed,
    pico-USD spent on this version of the questions so far, and why it stopped early, if it did."""

    dead: dict[str, str] = field(default_factory=dict)
    rows: int = 0
    answered: int = 0
    failed: int = 0
    spent: int = 0
    stopped: str = ""
