"""Arrays in a file of a student's folder. What is missing or damaged is one clear error."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NoReturn

from promptstill.console.errors import UserError, one_line


def read_arrays(path: Path) -> dict[str, Any]:
    """The NumPy arrays of a safetensors file by name. Raises UserError if it is missing or damaged."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    require_stored(path)
    try:
        return dict(load_file(path))
    except SafetensorError as error:
        damaged(path, str(error))


def require_stored(path: Path) -> None:
    """Raise UserError unless the file exists."""
    if not path.is_file():
        raise UserError(f"{path}: no such file; get it with `dvc checkout` or `dvc pull`")


def damaged(path: Path, reason: str) -> NoReturn:
    """Raise UserError: the file is not what training wrote."""
    raise UserError(
        f"{path}: damaged ({one_line(reason)}); remove it, and get it again with `dvc checkout` or `dvc pull`"
    )
