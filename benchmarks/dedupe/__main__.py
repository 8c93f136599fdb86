"""`python -m benchmarks.dedupe`: recall, speed and memory of the near-duplicate engine; writes results.json.

The vectors are those of vectors.py. The peers are sentence-transformers' paraphrase mining and, in an
environment of its own, SemHash.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

from benchmarks.dedupe.vectors import ENCODER, like_traffic, planted
from benchmarks.table import print_figures
from promptstill.core.files import read_rows
from promptstill.core.paths import out
from promptstill.near.pairs import BLOCK, near_blocks, together
from promptstill.near.sketch import SINGLE, sketches
from promptstill.near.vectors import Vectors, embed
from promptstill.rows.row import IngestedRow

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
THRESHOLD = 0.8
TURNS = 3


def oracle(vectors: Vectors) -> set[tuple[int, int]]:
    """All pairs in double precision, row by row."""
    exact = vectors.astype(np.float64)
    pairs = set()
    for i in range(len(exact) - 1):
        near = np.flatnonzero(exact[i + 1 :] @ exact[i] >= THRESHOLD)
        pairs |= {(i, int(j) + i + 1) for j in near}
    return pairs


def single(vectors: Vectors) -> set[tuple[int, int]]:
    """The stage's pairs on a processor without products in half precision."""
    with patch("promptstill.near.pairs.sketches", partial(sketches, precision=SINGLE)):
        return engine(vectors)


def engine(vectors: Vectors) -> set[tuple[int, int]]:
    """The stage's pairs."""
    left, right, _ = together(near_blocks(vectors, None, THRESHOLD))
    return set(zip(left.tolist(), right.tolist(), strict=True))


def bare_products(vectors: Vectors) -> None:
    """The same floating-point operations and nothing else: the blocks of the upper triangle, thrown away."""
    import torch

    a = torch.from_numpy(vectors)
    for i in range(0, len(a), BLOCK):
        for j in range(i, len(a), BLOCK):
            a[i : i + BLOCK] @ a[j : j + BLOCK].T


def paraphrase_mining(vectors: Vectors) -> set[tuple[int, int]]:
    """The peer at its defaults, but for a cap on pairs that does not bind."""
    import torch
    from sentence_transformers.util import paraphrase_mining_embeddings

    scored = paraphrase_mining_embeddings(torch.from_numpy(vectors), max_pairs=10**7)
    return {(min(i, j), max(i, j)) for score, i, j in scored if score >= THRESHOLD}


def timed(contestant: Callable[[Vectors], object], vectors: Vectors) -> tuple[float, Any]:
    """Seconds and result."""
    started = time.perf_counter()
    result = contestant(vectors)
    return time.perf_counter() - started, result


def semhash(python: str, vectors: Vectors) -> tuple[float, set[tuple[int, int]]]:
    """The peer's own index over the same vectors, in an environment of its own."""
    with tempfile.TemporaryDirectory() as folder:
        np.save(f"{folder}/vectors.npy", vectors)
        command = [python, str(HERE / "peer.py"), folder, str(THRESHOLD)]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        assert ended.returncode == 0, ended.stderr[-2000:]
        pairs = np.load(f"{folder}/pairs.npy")
        return float(ended.stdout), {(int(i), int(j)) for i, j in pairs}


def alone(call: str) -> dict[str, float]:
    """What a function of this module returns in a process of its own, with the process's largest memory."""
    script = (
        "import json\nfrom benchmarks.dedupe.__main__ import *\n"
        "from benchmarks.generate.client import largest_memory\n"
        f"figures = {call}\nprint(json.dumps(figures | {{'memory_mb': largest_memory()}}))\n"
    )
    command = [sys.executable, "-c", script]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    figures: dict[str, float] = json.loads(ended.stdout)
    return figures


def encoded_per_second() -> float:
    """Texts of the shipped traffic that the encoder encodes in a second, none of them known before."""
    rows = read_rows(out("ingest", "support-tickets"), IngestedRow, "ingest")
    texts = [row["input"] for row in rows]
    with tempfile.TemporaryDirectory() as home, patch.dict(os.environ, {"PROMPTSTILL_HOME": home}):
        # The first text loads the libraries.
        embed(texts[:1], ENCODER)
        started = time.perf_counter()
        embed(texts[1:], ENCODER)
        return (len(texts) - 1) / (time.perf_counter() - started)


def quality(pairs: set[tuple[int, int]], truth: set[tuple[int, int]]) -> tuple[float, float]:
    """Recall and precision."""
    return len(pairs & truth) / len(truth), len(pairs & truth) / max(1, len(pairs))


def medians(vectors: Vectors, contestants: dict[str, Callable[[Vectors], object]]) -> dict[str, float]:
    """The median seconds of each contestant, measured in turns."""
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(TURNS):
        for name, contestant in contestants.items():
            seconds[name].append(timed(contestant, vectors)[0])
    return {name: statistics.median(values) for name, values in seconds.items()}


def against_semhash(python: str, counts: tuple[int, ...]) -> dict[str, float]:
    """Time and recall side by side; the engine's pairs are the truth, which the oracle has confirmed."""
    results: dict[str, float] = {}
    for count in counts:
        vectors = planted(count)
        ours, truth = timed(engine, vectors)
        theirs, pairs = semhash(python, vectors)
        name = f"{count // 1000}k"
        results |= {f"seconds_{name}": ours, f"semhash_seconds_{name}": theirs}
        results |= {
            f"speedup_vs_semhash_{name}": theirs / ours,
            f"semhash_recall_{name}": quality(pairs, truth)[0],
        }
    return results


def large(kind: str, count: int) -> dict[str, float]:
    """Seconds for `count` vectors, pairs found, and recall over all pairs of a sample of rows."""
    vectors = {"random": planted, "traffic": like_traffic}[kind](count)
    seconds, pairs = timed(engine, vectors)
    sample = np.random.default_rng(1).choice(count, 1000, replace=False)
    exact = vectors[sample].astype(np.float64)
    truth = set()
    for start in range(0, count, 20_000):
        near = exact @ vectors[start : start + 20_000].astype(np.float64).T >= THRESHOLD
        for a, b in zip(*np.nonzero(near), strict=True):
            i, j = int(sample[a]), int(b) + start
            if i != j:
                truth.add((min(i, j), max(i, j)))
    recall = len(pairs & truth) / len(truth)
    return {"seconds": seconds, "pairs": len(pairs), "pairs_of_sample": len(truth), "recall": recall}


def main() -> None:
    """Measure everything and write results.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer", metavar="PYTHON", help="an interpreter that has semhash")
    parser.add_argument(
        "--large", type=int, nargs="*", default=[], help="further numbers of vectors, such as 200000 1000000"
    )
    arguments = parser.parse_args()
    results: dict[str, float] = {}

    def keep(figures: dict[str, float]) -> None:
        """Write all figures so far, because the larger sets take long."""
        results.update(figures)
        rounded = {name: round(value, 4) for name, value in results.items()} | {"cores": os.cpu_count()}
        (HERE / "results.json").write_text(json.dumps(rounded, indent=2) + "\n", encoding="utf-8")

    small = planted(20_000)
    truth = oracle(small)
    recall, precision = quality(engine(small), truth)
    keep({"recall_20k": recall, "precision_20k": precision})
    keep({"recall_20k_in_single_precision": quality(single(small), truth)[0]})
    vectors = planted(50_000)
    seconds = medians(
        vectors,
        {
            "stage": engine,
            "single": single,
            "bare products": bare_products,
            "paraphrase mining": paraphrase_mining,
        },
    )
    keep(
        {
            "seconds_50k": seconds["stage"],
            "speedup_vs_paraphrase_mining_50k": seconds["paraphrase mining"] / seconds["stage"],
            "paraphrase_mining_recall_50k": quality(paraphrase_mining(vectors), engine(vectors))[0],
            "time_vs_sgemm_50k": seconds["stage"] / seconds["bare products"],
            "time_vs_sgemm_50k_in_single_precision": seconds["single"] / seconds["bare products"],
            "memory_mb_50k": alone("{'pairs': len(engine(planted(50_000)))}")["memory_mb"],
            "texts_encoded_per_second": encoded_per_second(),
        }
    )
    if arguments.peer is not None:
        keep(against_semhash(arguments.peer, (50_000, 200_000)))
    for count in arguments.large:
        for kind in ("random", "traffic"):
            figures = alone(f"large({kind!r}, {count})")
            keep({f"{name}_{kind}_{count // 1000}k": value for name, value in figures.items()})
    print_figures(results, 3)


if __name__ == "__main__":
    main()
