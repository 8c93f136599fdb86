"""Memory that runs out, as an error that names what to lower."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from promptstill.console.errors import UserError

# The allocator of torch on a CPU has no type of error of its own. Its words differ between systems.
OF_ALLOCATOR = ("not enough memory", "can't allocate memory")


@contextmanager
def enough_memory(work: str, lower: str) -> Iterator[None]:
    """Raises UserError if memory runs out in the block, which does `work`; `lower` names the params."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, (MemoryError, torch.OutOfMemoryError)) and not any(
            words in str(error) for words in OF_ALLOCATOR
        ):
            raise
        raise UserError(f"out of memory in {work}; lower {lower}") from None
