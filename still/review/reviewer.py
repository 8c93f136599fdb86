"""Who is in front of a browser."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Reviewer:
    """A person's name, which decisions carry, and the browser, because two people may have one name."""

    name: str
    browser: str = ""

    @property
    def holder(self) -> str:
        """Who holds a row."""
        return f"{self.name}\n{self.browser}"
