"""`still coverage`: where the traffic is, where the kept rows are, and where rows are missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from stages.dedupe.params import DedupeParams
from stages.shared.embeddings import embed
from stages.shared.files import Row, read_rows, replacing
from stages.shared.paths import cache_dir, out
from stages.split.params import SplitParams

CLUSTERS = 12
# Characters of the text that stands for a cluster.
SHOWN = 56


def show_coverage(task: str) -> None:
    """Print rows by label, slice, source and cluster of meaning, and draw the map.

    Raises UserError where split has not run.
    """
    params = SplitParams.load(task)
    sets = {"traffic": read_rows(out("ingest", task), "ingest")}
    sets |= {name: read_rows(out("split", task, name), "split") for name in ("train", "validation", "test")}
    golden = read_rows(out("ingest", task, "golden"), "ingest")
    console = Console()

    minimum = params.label_minimum.model_dump()
    labels = by_value(sets, lambda row: [row["label"]] if "label" in row else [])
    wanted = {name: dict.fromkeys(labels, least) for name, least in minimum.items()}
    console.print(table_of("label", labels, sets, wanted))
    quotas = {"test": {name: hard.minimum for name, hard in params.hard_slices.items()}}
    console.print(
        table_of(
            "slice", by_value(sets, lambda row: sorted({*row["slices"], *row.get("hard", [])})), sets, quotas
        )
    )
    console.print(table_of("source", by_value(sets, lambda row: [row["source"]]), sets, {}))

    everything = [*sets["traffic"], *golden]
    vectors = embed([row["input"] for row in everything], DedupeParams.load(task).encoder)
    cluster = clusters(vectors)
    console.print(cluster_table(everything, vectors, cluster, len(sets["traffic"]), sets["train"]))
    page = cache_dir() / "coverage" / f"{task}.png"
    kept = {row["id"] for name in ("train", "validation", "test") for row in sets[name]}
    draw(page, task, vectors, [row["id"] in kept for row in sets["traffic"]])
    console.print(f"map: {page}", highlight=False, soft_wrap=True)


def by_value(sets: dict[str, list[Row]], values: Callable[[Row], list[str]]) -> dict[str, dict[str, int]]:
    """Rows of each set by value; a row may have several."""
    counts = {name: Counter(value for row in rows for value in values(row)) for name, rows in sets.items()}
    known = sorted({value for count in counts.values() for value in count})
    return {value: {name: counts[name][value] for name in sets} for value in known}


def table_of(
    what: str,
    counts: dict[str, dict[str, int]],
    sets: dict[str, list[Row]],
    quotas: dict[str, dict[str, int]],
) -> Table:
    """One row a value; where a quota is set it stands behind the count. Traffic has no labels."""
    columns = [name for name in sets if what != "label" or name != "traffic"]
    table = Table(what, box=SIMPLE_HEAD)
    for name in columns:
        table.add_column(name, justify="right")
    for value, held in counts.items():
        cells = []
        for name in columns:
            least = quotas.get(name, {}).get(value, 0)
            cells.append(f"{held[name]} of {least}" if least else str(held[name]))
        table.add_row(value, *cells)
    return table


def clusters(vectors: NDArray[np.float32]) -> NDArray[np.int32]:
    """The cluster of each vector, by k-means from a fixed seed."""
    from sklearn.cluster import KMeans

    made = KMeans(n_clusters=min(CLUSTERS, len(vectors)), n_init=1, random_state=0).fit(vectors)
    found: NDArray[np.int32] = made.labels_
    return found


def cluster_table(
    rows: list[Row],
    vectors: NDArray[np.float32],
    cluster: NDArray[np.int32],
    traffic: int,
    train: list[Row],
) -> Table:
    """Share of traffic, train and golden in each cluster, largest first, with the text nearest its middle."""
    trained = {row["id"] for row in train}
    table = Table("cluster of meaning", box=SIMPLE_HEAD)
    for name in ("traffic", "train", "golden"):
        table.add_column(name, justify="right")
    is_traffic = np.arange(len(rows)) < traffic
    is_train = np.array([row["id"] in trained for row in rows]) & is_traffic
    for name, _ in Counter(cluster[is_traffic].tolist()).most_common():
        inside = cluster == name
        middle = vectors[inside].mean(axis=0)
        nearest = np.flatnonzero(inside)[int((vectors[inside] @ middle).argmax())]
        text = " ".join(rows[nearest]["input"].split())[:SHOWN]
        shares = [
            f"{(inside & part).sum() / max(1, part.sum()):.1%}"
            for part in (is_traffic, is_train, ~is_traffic)
        ]
        table.add_row(text, *shares)
    return table


def draw(page: Path, task: str, vectors: NDArray[np.float32], kept: list[bool]) -> None:
    """A map of all texts on the two main axes of their embeddings: traffic that is kept, that is not, and
    golden."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    centred = vectors - vectors.mean(axis=0)
    _, _, axes = np.linalg.svd(centred, full_matrices=False)
    places = centred @ axes[:2].T
    traffic, golden = places[: len(kept)], places[len(kept) :]
    chosen = np.array(kept, dtype=bool)
    figure, plot = pyplot.subplots(figsize=(9, 7))
    drawn: tuple[tuple[Any, str, str, int], ...] = (
        (traffic[~chosen], "#b0b0b0", "traffic, not kept", 10),
        (traffic[chosen], "#2a6fbb", "kept", 10),
        (golden, "#d1495b", "golden", 14),
    )
    for points, colour, name, size in drawn:
        plot.scatter(
            points[:, 0],
            points[:, 1],
            s=size,
            c=colour,
            alpha=0.6,
            linewidths=0,
            label=f"{name} ({len(points)})",
        )
    plot.set_title(f"{task}: texts by meaning, two main axes of {vectors.shape[1]}")
    plot.set_xticks([])
    plot.set_yticks([])
    plot.legend(loc="best", frameon=False)
    with replacing(page) as partial:
        figure.savefig(partial, format="png", dpi=110, bbox_inches="tight")
    pyplot.close(figure)
