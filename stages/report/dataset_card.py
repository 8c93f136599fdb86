"""The dataset card: where the rows come from, what was dropped, and what a row holds."""

from __future__ import annotations

from collections import Counter
from typing import Any

from huggingface_hub import DatasetCard, DatasetCardData

from promptstill.rows.origin import moment
from stages.report.build import SPLITS, Build
from stages.report.certificate import certificate, thresholds
from stages.report.fields import row_fields
from stages.report.flow import flow
from stages.report.labels import MAX_LABELS, label_counts, most_first
from stages.report.render import render_markdown


def dataset_card(build: Build) -> DatasetCard:
    """The card with its metadata. Raises an error where a fact is missing, so that no card has a gap."""
    metrics = build.metrics
    pairs = certificate(metrics["leaks"], metrics["leaks_random"])
    labels = label_counts(metrics["split"]["labels"])
    body = render_markdown(
        "dataset_card.md",
        task=build.task,
        metrics=metrics,
        hashes=metrics["leaks"]["files_sha256"],
        splits=SPLITS,
        labels=labels[:MAX_LABELS],
        further_labels=len(labels[MAX_LABELS:]),
        origin=origin(build),
        steps=flow(metrics),
        cost=cost_per_kept_row(metrics["generate"]["cost_usd"], metrics["validate"]["kept"]),
        pairs=pairs,
        thresholds=thresholds(metrics["leaks"]),
        fields=row_fields(),
    )
    return DatasetCard(f"---\n{card_data(build).to_yaml()}\n---\n\n{body}")


def card_data(build: Build) -> DatasetCardData:
    """The metadata of the card, with the file of each split."""
    files = [{"split": name, "path": f"{name}.jsonl"} for name in SPLITS]
    return DatasetCardData(
        pretty_name=f"{build.task}, distilled from a prompted model",
        task_categories=["text-classification"],
        annotations_creators=["machine-generated"],
        size_categories=[size_category(build.metrics["split"]["kept"])],
        tags=["distillation", "promptstill"],
        configs=[{"config_name": "default", "data_files": files}],
    )


def size_category(rows: int) -> str:
    """The Hub's name for a number of rows, see `size_categories` in its dataset card specification."""
    limits = {
        1_000: "n<1K",
        10_000: "1K<n<10K",
        100_000: "10K<n<100K",
        1_000_000: "100K<n<1M",
        10_000_000: "1M<n<10M",
    }
    return next((name for limit, name in limits.items() if rows < limit), "n>10M")


def origin(build: Build) -> dict[str, Any]:
    """Where the train rows come from: sources, first and last time, and rows by number of samples."""
    rows = build.train
    times = sorted((row["timestamp"] for row in rows), key=moment)
    return {
        "sources": sorted(Counter(row["source"] or "(none)" for row in rows).items(), key=most_first),
        "first": times[0],
        "last": times[-1],
        "samples": sorted(Counter(len(row["samples"]) for row in rows).items()),
    }


def cost_per_kept_row(cost_usd: float | None, kept: int) -> str:
    """What the teacher's answers cost for each row that validate kept."""
    return "not known" if cost_usd is None else f"{cost_usd / kept:.6f} USD"
