"""The engine of a stage: this process, or a Ray cluster."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from promptstill.console.errors import UserError
from promptstill.near.vectors import Engine

EngineName = Literal["local", "ray"]


@contextmanager
def open_engine(name: EngineName, where: str) -> Iterator[Engine | None]:
    """The engine to hand to `embed` and `near_pairs`: None for this process, or a Ray cluster, whose
    connection lasts for the block.

    `where` leads the errors, for example `params.yaml: language-id.dedupe.engine`. Raises UserError if Ray is
    not installed or its cluster cannot be reached.
    """
    if name == "local":
        yield None
        return
    if importlib.util.find_spec("ray") is None:
        raise UserError(f"{where}: Ray is not installed; run `pip install -e '.[ray]'`, or set `local`")
    from promptstill.near.ray_engine import connected

    with connected(where) as engine:
        yield engine
