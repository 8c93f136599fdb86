"""The state of a training run on disk, so that a killed run goes on where it was.

It lies outside the outs, because DVC removes these before a stage runs. It counts only for the very same
training: its key is the hash of everything that the run depends on.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import peft
import tokenizers
import torch
import transformers
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from promptstill.core.files import canonical_hash, file_hash, replacing
from promptstill.models.products import precision
from stages.train import parallel

# Seconds of work that a kill may cost. A checkpoint of the shipped students takes about 0.1 s.
INTERVAL = 15.0

ROOT = Path(__file__).parents[2]
SOURCE = (ROOT / "stages/train", ROOT / "promptstill/answers/schema", ROOT / "promptstill/models")
LIBRARIES = (peft, tokenizers, torch, transformers)


def training_key(inputs: object) -> str:
    """The hash of `inputs`, which must be JSON, together with code, libraries and what computes: device,
    precision, threads and processes."""
    code = [file_hash(path) for folder in SOURCE for path in sorted(folder.rglob("*.py"))]
    libraries = [library.__version__ for library in LIBRARIES]
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
    computes = [device, str(precision()), torch.get_num_threads(), parallel.size()]
    return canonical_hash([inputs, code, libraries, computes])


class Checkpoint:
    """A file with tensors by name and with the counts that belong to them."""

    def __init__(self, path: Path, key: str) -> None:
        self.path, self._key = path, key
        self._last = time.monotonic()

    def load(self) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """The state of the same training, or None if there is none. A file that cannot be read is none."""
        if not self.path.exists():
            return None
        try:
            with safe_open(self.path, "pt") as file:
                about = file.metadata() or {}
                if about.get("key") != self._key:
                    return None
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except SafetensorError as error:
            print(f"{self.path}: cannot be read ({error}); training begins anew", file=sys.stderr)
            return None
        return tensors, json.loads(about["counts"])

    @property
    def due(self) -> bool:
        """Whether the last state is old enough to write the next one."""
        return time.monotonic() - self._last >= INTERVAL

    def save(self, tensors: Mapping[str, Tensor], counts: Mapping[str, Any]) -> None:
        """Write a state in place of the last one, all or nothing."""
        kept = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
        with replacing(self.path) as partial:
            save_file(kept, partial, metadata={"key": self._key, "counts": json.dumps(counts)})
        self._last = time.monotonic()

    def remove(self) -> None:
        """The run is over."""
        self.path.unlink(missing_ok=True)
