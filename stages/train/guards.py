"""What training refuses before it begins."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from promptstill.console.errors import UserError


def refuse_uncertified(
    hashes: Mapping[str, str], certified: Mapping[str, str], files: Mapping[str, Path]
) -> None:
    """Train only on the files that split made the leak certificate for: raise UserError for one whose SHA-256
    differs."""
    for name, digest in hashes.items():
        if digest != certified[name]:
            raise UserError(
                f"{files[name]}: not the file that the leak certificate was made for; run "
                f"`dvc repro split@{files[name].parent.name}`"
            )
