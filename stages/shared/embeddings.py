"""Texts in, unit vectors out, by a sentence-transformers model; a text is encoded once in its life.

The vector of a text depends on the text and the model alone: each text is encoded by itself on one thread,
because the last bits of a floating-point sum change with the batch around it and with the number of threads.
Several texts are encoded at once, one a core. On a CPU this is as fast as batches, which pad. So vectors can
be cached outside the outs, by content.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.shared.errors import UserError
from stages.shared.models import model_hash, resolve
from stages.shared.paths import cache_dir
from stages.shared.report import progress

Vectors = NDArray[np.float32]
ROWS_A_COMMIT = 256
KEYS_A_QUERY = 500


def embed(texts: list[str], model: str) -> Vectors:
    """Unit vectors of shape (len(texts), dimension), float32; `texts` must not be empty.

    Raises UserError where the model is not installed or the cache cannot be opened.
    """
    folder = resolve(model)
    identity = model_hash(folder)
    key_of = {text: hashlib.sha256(f"{identity}\n{text}".encode()).digest() for text in texts}
    with _Cache(cache_dir() / "embeddings.sqlite") as cache:
        known = cache.get(list(key_of.values()))
        missing = sorted(text for text, key in key_of.items() if key not in known)
        if missing:
            known |= _encode(missing, folder, key_of, cache)
    return np.stack([known[key_of[text]] for text in texts])


def _encode(texts: list[str], folder: str, key_of: dict[str, bytes], cache: _Cache) -> dict[bytes, Vectors]:
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    import torch
    from sentence_transformers import SentenceTransformer
    from transformers.utils import logging

    logging.disable_progress_bar()
    encoder: Any = SentenceTransformer(folder)

    def vector(text: str) -> Vectors:
        value: Vectors = encoder.encode([text], normalize_embeddings=True, show_progress_bar=False)[0]
        return value.astype(np.float32)

    threads = torch.get_num_threads()
    found: dict[bytes, Vectors] = {}
    torch.set_num_threads(1)
    try:
        with progress(len(texts), "embedding", "text") as bar, ThreadPoolExecutor(threads) as pool:
            for start in range(0, len(texts), ROWS_A_COMMIT):
                part = texts[start : start + ROWS_A_COMMIT]
                vectors = dict(zip((key_of[text] for text in part), pool.map(vector, part), strict=True))
                cache.add(vectors)
                found |= vectors
                bar.update(len(part))
    finally:
        torch.set_num_threads(threads)
    return found


class _Cache:
    """Vectors by the hash of model and text, in a SQLite file that several processes may share."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._database = sqlite3.connect(path, timeout=60)
            self._database.execute("PRAGMA journal_mode = WAL")
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
        found: dict[bytes, Vectors] = {}
        for start in range(0, len(keys), KEYS_A_QUERY):
            part = keys[start : start + KEYS_A_QUERY]
            query = f"SELECT key, vector FROM vectors WHERE key IN ({','.join('?' * len(part))})"
            for key, vector in self._database.execute(query, part):
                found[key] = np.frombuffer(vector, dtype="<f4")
        return found

    def add(self, vectors: dict[bytes, Vectors]) -> None:
        with self._database:
            self._database.executemany(
                "INSERT OR IGNORE INTO vectors VALUES (?, ?)",
                [(key, vector.astype("<f4").tobytes()) for key, vector in vectors.items()],
            )
