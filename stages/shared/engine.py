"""Where a stage encodes texts and compares rows: in its own process, or on a Ray cluster."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from stages.shared.errors import UserError

Engine = Literal["local", "ray"]


@contextmanager
def running(engine: Engine, where: str) -> Iterator[None]:
    """Keep a connection to the Ray cluster inside the block, where `engine` asks for one; else do nothing.

    `where` leads the errors, for example `params.yaml: language-id.dedupe.engine`. Raises UserError where Ray
    is not installed or its cluster cannot be reached.
    """
    if engine == "local":
        yield
        return
    if importlib.util.find_spec("ray") is None:
        raise UserError(
            f"{where}: Ray is not installed; run `pip install 'promptstill[ray]'`, or set `local`"
        )
    from stages.shared.cluster import connected

    with connected(where):
        yield
