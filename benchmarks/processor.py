"""What a figure depends on that the code does not decide: the threads and the processor."""

from __future__ import annotations

import torch

# Prefixes of the features that change how fast matrices are multiplied.
MATTER = ("amx", "avx", "bf16", "f16c", "fma", "i8mm", "neon", "sme", "sve")


def processor() -> dict[str, object]:
    """Threads of PyTorch, the name of the processor, and the names of its features that matter."""
    features = torch.cpu.get_capabilities()
    return {
        "features": sorted(name for name, has in features.items() if has is True and name.startswith(MATTER)),
        "name": features.get("cpu_name", "unknown"),
        "threads": torch.get_num_threads(),
    }
