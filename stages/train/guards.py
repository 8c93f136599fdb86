"""Train only on certified data: the files must be those that split made the leak certificate for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from promptstill.console.errors import UserError


def refuse_uncertified(
    hashes: Mapping[str, str], certified: Mapping[str, str], files: Mapping[str, Path]
) -> None:
    """Raise UserError for a file whose SHA-256 differs from the certified one."""
    for name, digest in hashes.items():
        if digest != certified[name]:
            raise UserError(
                f"{files[name]}: not the file that the leak certificate was made for; run `dvc repro split`"
            )
