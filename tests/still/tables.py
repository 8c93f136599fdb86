"""Tables that commands print, read back."""

from __future__ import annotations

import re


def table(text: str) -> dict[str, list[str]]:
    """Rows of a printed table by their first cell."""
    cells = [re.split(r"\s{2,}", line.strip()) for line in text.splitlines()]
    return {first: rest for first, *rest in cells if rest}
