"""The root of the project, which every path of the project is relative to."""

from __future__ import annotations

import os
from pathlib import Path

from promptstill.console.errors import UserError
from promptstill.core.paths import PARAMS


def from_here(path: str) -> str:
    """A path that a user typed in the working directory, for use after `go_to_root`.

    A relative one becomes relative to the root, like every path in messages. An absolute one and - stay as
    they are.
    """
    return path if path == "-" or Path(path).is_absolute() else os.path.relpath(Path(path).absolute(), root())


def root() -> Path:
    """The nearest folder upwards that has params.yaml. Raises UserError if there is none."""
    here = Path.cwd()
    project = next((folder for folder in [here, *here.parents] if (folder / PARAMS).exists()), None)
    if project is None:
        raise UserError(f"{here}: no {PARAMS} here or above; change to a clone of the project")
    return project


def go_to_root() -> None:
    """Change to the root of the project, which every path of the project is relative to."""
    os.chdir(root())
