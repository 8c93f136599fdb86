"""`still coverage`: how traffic and kept rows are distributed, and where rows are missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from promptstill.answers.spec import AnswerSpec
from promptstill.core.files import read_rows, replacing
from promptstill.core.paths import cache_dir, out
from promptstill.near.vectors import Vectors, embed
from promptstill.rows.row import IngestedCase, IngestedRow, Input, SplitRow
from stages.dedupe.params import DedupeParams
from stages.report.passages import shown
from stages.split.params import SplitParams
from stages.split.quota import SPLITS

R = TypeVar("R")
CLUSTERS = 12
# Characters of the text that represents a cluster.
SHOWN = 56


@dataclass(frozen=True)
class Region:
    """A cluster of texts: its number, which of all texts are inside, and the commonest label of its kept rows
    with the label's share of them."""

    number: int
    inside: NDArray[np.bool_]
    label: str
    share: str


def show_coverage(task: str) -> None:
    """Print rows by label, slice, source and cluster of embeddings, and draw the map.

    Raises UserError if split has not run.
    """
    params = SplitParams.load(task)
    traffic = read_rows(out("ingest", task), IngestedRow, "ingest")
    splits: dict[str, list[SplitRow]] = {
        name: read_rows(out("split", task, name), SplitRow, "split") for name in SPLITS
    }
    golden = read_rows(out("ingest", task, "golden"), IngestedCase, "ingest")
    console = Console()

    labels = {name: values_of(rows, lambda row: [row["label"]]) for name, rows in splits.items()}
    minimum = params.label_minimum.model_dump()
    known = {label for counts in labels.values() for label in counts}
    console.print(table_of("label", labels, {name: dict.fromkeys(known, minimum[name]) for name in minimum}))
    slices = {"traffic": values_of(traffic, lambda row: row["slices"])} | {
        name: values_of(rows, lambda row: sorted({*row["slices"], *row["hard"]}))
        for name, rows in splits.items()
    }
    quotas = {"test": {name: hard.minimum for name, hard in params.hard_slices.items()}}
    console.print(table_of("slice", slices, quotas))
    sources = {"traffic": values_of(traffic, lambda row: [str(row["source"])])} | {
        name: values_of(rows, lambda row: [str(row["source"])]) for name, rows in splits.items()
    }
    console.print(table_of("source", sources, {}))

    everything: list[IngestedRow | IngestedCase] = [*traffic, *golden]
    # Passages that an answer may cite are left out: they would drown what is asked about them.
    spec = AnswerSpec.load(task)
    texts = [shown(row["input"], {}, spec).text for row in everything]
    vectors = embed(texts, DedupeParams.load(task).encoder)
    cluster = clusters(vectors)
    regions = regions_of(everything, cluster, len(traffic), splits)
    console.print(cluster_table(everything, texts, vectors, regions, len(traffic), splits["train"]))
    page = cache_dir() / "coverage" / f"{task}.png"
    kept = {row["id"] for rows in splits.values() for row in rows}
    draw(page, task, vectors, [row["id"] in kept for row in traffic], regions)
    console.print(f"map: {page}", highlight=False, soft_wrap=True)


def values_of(rows: Sequence[R], values: Callable[[R], Sequence[str]]) -> Counter[str]:
    """Rows by value; a row may have several values."""
    return Counter(value for row in rows for value in values(row))


def table_of(what: str, counts: Mapping[str, Counter[str]], quotas: Mapping[str, Mapping[str, int]]) -> Table:
    """One row per value and one column per set of rows; a quota follows the count that it applies to."""
    table = Table(what, box=SIMPLE_HEAD)
    for name in counts:
        table.add_column(name, justify="right")
    for value in sorted({value for of_set in counts.values() for value in of_set}):
        cells = []
        for name, of_set in counts.items():
            least = quotas.get(name, {}).get(value, 0)
            cells.append(f"{of_set[value]} of {least}" if least else str(of_set[value]))
        # A label or the name of a source may look like Rich's markup.
        table.add_row(Text(value), *cells)
    return table


def clusters(vectors: Vectors) -> NDArray[np.int32]:
    """The cluster of each vector, by k-means from a fixed seed."""
    from sklearn.cluster import KMeans

    model = KMeans(n_clusters=min(CLUSTERS, len(vectors)), n_init=1, random_state=0).fit(vectors)
    labels: NDArray[np.int32] = model.labels_
    return labels


def regions_of(
    rows: Sequence[Input], cluster: NDArray[np.int32], traffic: int, splits: Mapping[str, Sequence[SplitRow]]
) -> list[Region]:
    """The clusters that have traffic, largest first, each with the commonest label of its kept rows."""
    label_of = {row["id"]: row["label"] for of_split in splits.values() for row in of_split}
    regions: list[Region] = []
    for name, _ in Counter(cluster[:traffic].tolist()).most_common():
        inside = cluster == name
        ids = [rows[place]["id"] for place in np.flatnonzero(inside[:traffic]).tolist()]
        labels = Counter(label_of[row_id] for row_id in ids if row_id in label_of)
        label = min(labels, key=lambda value: (-labels[value], value), default="")
        share = labels[label] / max(1, labels.total())
        regions.append(Region(len(regions) + 1, inside, label, f"{share:.0%}" if label else ""))
    return regions


def cluster_table(
    rows: Sequence[Input],
    texts: Sequence[str],
    vectors: Vectors,
    regions: Sequence[Region],
    traffic: int,
    train: Sequence[SplitRow],
) -> Table:
    """The share of traffic, train and golden in each region, with its commonest label and its most central
    one of the `texts` of all rows. The numbers are those on the map."""
    trained = {row["id"] for row in train}
    table = Table("cluster of embeddings", "label", "on the map", box=SIMPLE_HEAD)
    for name in ("traffic", "train", "golden"):
        table.add_column(name, justify="right")
    is_traffic = np.arange(len(rows)) < traffic
    is_train = np.array([row["id"] in trained for row in rows]) & is_traffic
    for region in regions:
        middle = vectors[region.inside].mean(axis=0)
        nearest = np.flatnonzero(region.inside)[int((vectors[region.inside] @ middle).argmax())]
        text = " ".join(texts[nearest].split())[:SHOWN]
        shares = [
            f"{(region.inside & part).sum() / max(1, part.sum()):.1%}"
            for part in (is_traffic, is_train, ~is_traffic)
        ]
        table.add_row(Text(text), Text(f"{region.label} {region.share}"), str(region.number), *shares)
    return table


def draw(page: Path, task: str, vectors: Vectors, kept: list[bool], regions: Sequence[Region]) -> None:
    """Draw all texts on the two principal axes of their embeddings: traffic that was kept, traffic that was
    not, and golden; with number and label of each region in its middle."""
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
    mark(plot, places, regions)
    plot.set_title(f"{task}: embeddings of all texts on two of {vectors.shape[1]} principal axes")
    plot.set_xticks([])
    plot.set_yticks([])
    plot.legend(loc="best", frameon=False)
    with replacing(page) as partial:
        figure.savefig(partial, format="png", dpi=110, bbox_inches="tight")
    pyplot.close(figure)


def mark(plot: Any, places: NDArray[np.float64], regions: Sequence[Region]) -> None:  # noqa: ANN401
    """Write number and label of each region into its middle on a plot."""
    for region in regions:
        x, y = np.median(places[region.inside], axis=0)
        plot.annotate(
            f"{region.number} {region.label}".strip(),
            (x, y),
            ha="center",
            fontsize=9,
            parse_math=False,
            bbox={"boxstyle": "round,pad=0.2", "facecolor": "white", "alpha": 0.8, "linewidth": 0},
        )
