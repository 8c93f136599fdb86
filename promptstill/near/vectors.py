"""Texts in, unit vectors out, computed by a sentence-transformers model. A text is encoded only once.

The vector of a text depends only on the text and the model. Each text is encoded by itself on one thread,
because the last bits of a floating-point sum change with the batch and with the number of threads. Several
texts are encoded in parallel, one per core. On a CPU this is as fast as batches, which need padding. Vectors
can therefore be cached by content, outside the outs.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from promptstill.console.errors import UserError
from promptstill.console.progress import progress
from promptstill.core.paths import cache_dir
from promptstill.core.resolve import model_hash, resolve
from promptstill.core.sqlite import open_shared, with_keys

# Unit vectors of shape (n, dimension), one for each text.
Vectors = NDArray[np.float32]
Positions = NDArray[np.int64]
# Left positions, right positions and cosines of pairs.
Near = tuple[Positions, Positions, NDArray[np.float64]]
# Rows [first, end) of the left vectors and rows [first, end) of the right vectors, to compare each with each.
Block = tuple[int, int, int, int]


class Encoder(Protocol):
    """Where texts are encoded, if not in this process."""

    def encode(self, texts: Sequence[str], model: str) -> Iterator[dict[str, Vectors]]:
        """Vectors by text, in parts, in the order in which they become ready."""
        ...


class Engine(Encoder, Protocol):
    """Where texts are encoded and vectors are compared, if not in this process. The results have the same
    bytes either way."""

    def pairs(self, left: Vectors, right: Vectors | None, min_cosine: float) -> Iterator[Near]:
        """Pairs whose cosine is at least `min_cosine`, in parts, in any order; without `right`, pairs of one
        set."""
        ...


# Vectors that are added to the cache together.
ROWS_A_COMMIT = 256


def embed(texts: list[str], model: str, engine: Encoder | None = None) -> Vectors:
    """Unit vectors of shape (len(texts), dimension), float32; `texts` must not be empty.

    Missing vectors are computed by `engine`, or in this process if it is None. This process keeps the cache
    and adds vectors as they arrive. Raises UserError if the model is not installed or the cache cannot be
    opened.
    """
    identity = model_hash(model)
    key_of = {text: hashlib.sha256(f"{identity}\n{text}".encode()).digest() for text in texts}
    with _Cache(cache_dir() / "embeddings.sqlite") as cache:
        known = cache.get(list(key_of.values()))
        missing = sorted(text for text, key in key_of.items() if key not in known)
        if missing:
            with progress(len(missing), "embedding", "text") as bar:
                for part in (engine.encode if engine else encode)(missing, model):
                    vectors = {key_of[text]: vector for text, vector in part.items()}
                    cache.add(vectors)
                    known |= vectors
                    bar.update(len(part))
    return np.stack([known[key_of[text]] for text in texts])


def encode(texts: Sequence[str], model: str) -> Iterator[dict[str, Vectors]]:
    """Vectors by text, in parts, computed in this process."""
    import torch

    vector = load_encoder(resolve(model))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with ThreadPoolExecutor(threads) as pool:
            for start in range(0, len(texts), ROWS_A_COMMIT):
                part = texts[start : start + ROWS_A_COMMIT]
                yield dict(zip(part, pool.map(vector, part), strict=True))
    finally:
        torch.set_num_threads(threads)


def load_encoder(folder: str) -> Callable[[str], Vectors]:
    """A function from one text to its unit vector; for the same bits always, call it on one torch thread."""
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    from sentence_transformers import SentenceTransformer
    from transformers.utils import logging

    logging.disable_progress_bar()
    encoder: Any = SentenceTransformer(folder)

    def vector(text: str) -> Vectors:
        value: Vectors = encoder.encode([text], normalize_embeddings=True, show_progress_bar=False)[0]
        return value.astype(np.float32)

    return vector


class _Cache:
    """Vectors by the hash of model and text, in a SQLite file that several processes may share."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._database = open_shared(path)
            self._database.execute(
                "CREATE TABLE IF NOT EXISTS vectors (key BLOB PRIMARY KEY, vector BLOB) WITHOUT ROWID"
            )
        except sqlite3.DatabaseError as error:
            raise UserError(f"{path}: cannot open the embedding cache ({error}); remove the file") from None

    def __enter__(self) -> _Cache:
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()

    def get(self, keys: list[bytes]) -> dict[bytes, Vectors]:
        lines = with_keys(self._database, "SELECT key, vector FROM vectors", keys)
        return {key: np.frombuffer(vector, dtype="<f4") for key, vector in lines}

    def add(self, vectors: dict[bytes, Vectors]) -> None:
        with self._database:
            self._database.executemany(
                "INSERT OR IGNORE INTO vectors VALUES (?, ?)",
                [(key, vector.astype("<f4").tobytes()) for key, vector in vectors.items()],
            )
