"""The teacher's API key: from the environment, or from a `.env` file that Git does not track."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from dotenv import dotenv_values

from promptstill.console.errors import UserError
from promptstill.core.paths import main_root

DOTENV = ".env"


def read_api_key(name: str) -> str | None:
    """The value of an environment variable, or else of a line in `.env`; None if neither has it.

    A copy of the repository that has no `.env` uses that of the main one. Raises UserError if Git tracks the
    file, because a key in it would be published.
    """
    folder = Path() if Path(DOTENV).exists() else main_root()
    path = folder / DOTENV
    if not path.exists():
        return os.environ.get(name) or None
    tracked = subprocess.run(
        ["git", "ls-files", "--error-unmatch", DOTENV], cwd=folder, capture_output=True, check=False
    )
    if tracked.returncode == 0:
        raise UserError(f"{path}: is tracked by Git; run `git rm --cached {path}`, and change the keys in it")
    return os.environ.get(name) or dotenv_values(path).get(name) or None


def check_api_key(name: str) -> None:
    """Raise UserError if the key cannot be sent: Git tracks `.env`, or no HTTP header can carry the key."""
    key = read_api_key(name)
    if key is not None and not (key.isascii() and key.isprintable()):
        raise UserError(
            f"{name}: the key has characters that cannot be sent, such as a line break; copy it again"
        )
