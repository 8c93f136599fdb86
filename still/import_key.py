"""The key of the hashes that `still import` writes in the place of accounts, threads and documents."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from promptstill.console.errors import UserError
from promptstill.core.paths import cache_dir
from promptstill.teacher.api_key import read_api_key

VARIABLE = "PROMPTSTILL_IMPORT_KEY"
SHORTEST = 16


def import_key() -> bytes:
    """The key from the environment or `.env`, or else from the home, where the first call creates it.

    The file can be read by its owner only (0600). Raises UserError for a key that is too short to be secret.
    """
    given = read_api_key(VARIABLE)
    path = cache_dir() / "import.key"
    key = given or (path if path.exists() else _created(path)).read_text(encoding="ascii").strip()
    if len(key) < SHORTEST:
        where = VARIABLE if given else str(path)
        raise UserError(f"{where}: must have at least {SHORTEST} characters; restore the key, or choose one")
    return key.encode("utf-8")


def _created(path: Path) -> Path:
    """Write a random key. Two processes at once keep the same one: a link never replaces a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    with os.fdopen(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as lines:
        lines.write(secrets.token_hex(32) + "\n")
        lines.flush()
        os.fsync(lines.fileno())
    try:
        os.link(partial, path)
    except FileExistsError:
        return path
    finally:
        partial.unlink()
    print(f"new key in {path}; keep a copy: the same accounts get the same hashes only under the same key")
    return path
