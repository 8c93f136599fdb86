"""The teacher's API key: from the environment, or from a `.env` that Git does not know."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from dotenv import dotenv_values

from stages.shared.errors import UserError

DOTENV = Path(".env")


def api_key(name: str) -> str | None:
    """The value of an environment variable, else of a line in `.env`; None where neither has it.

    Raises UserError where `.env` is tracked by Git: a key in it would be published.
    """
    if not DOTENV.exists():
        return os.environ.get(name) or None
    tracked = subprocess.run(
        ["git", "ls-files", "--error-unmatch", str(DOTENV)], capture_output=True, check=False
    )
    if tracked.returncode == 0:
        raise UserError(
            f"{DOTENV}: is tracked by Git; run `git rm --cached {DOTENV}`, and change the keys in it"
        )
    return os.environ.get(name) or dotenv_values(DOTENV).get(name) or None
