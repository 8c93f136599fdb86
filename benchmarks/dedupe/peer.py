"""SemHash's index over given vectors: `PYTHON peer.py FOLDER THRESHOLD` reads vectors.npy, writes pairs.npy.

Prints the seconds of building the index and asking it for every row's neighbours.
"""

from __future__ import annotations

import sys
import time

import numpy as np


def main() -> None:
    """Measure."""
    from semhash.index import Index  # type: ignore[import-not-found]
    from vicinity import Backend  # type: ignore[import-not-found]

    folder, threshold = sys.argv[1], float(sys.argv[2])
    vectors = np.load(f"{folder}/vectors.npy")
    items = [[{"text": str(i)}] for i in range(len(vectors))]
    started = time.perf_counter()
    index = Index.from_vectors_and_items(vectors, items, Backend.USEARCH)
    neighbours = index.query_threshold(vectors, threshold=threshold)
    seconds = time.perf_counter() - started
    pairs = {
        (min(i, int(j)), max(i, int(j))) for i, (near, _) in enumerate(neighbours) for j in near if i != j
    }
    np.save(f"{folder}/pairs.npy", np.array(sorted(pairs), dtype=np.int64).reshape(-1, 2))
    print(seconds)


if __name__ == "__main__":
    main()
