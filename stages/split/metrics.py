"""Placed rows in; metrics and the closing lines of the stage out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import mean
from typing import Any

from promptstill.answers.classes import class_name
from promptstill.answers.spec import AnswerSpec
from promptstill.console.say import counted
from promptstill.core.metrics import row_metrics
from stages.split.build import Certificates, Placed
from stages.split.links import without_each
from stages.split.params import SplitParams
from stages.split.quota import SPLITS

# Labels that a warning names.
NAMED = 10


def metrics_of(
    placed: Placed, rows_in: int, params: SplitParams, spec: AnswerSpec, all_labels: Sequence[str]
) -> dict[str, Any]:
    """The content of `data/split/<task>/metrics.json`. `all_labels` are those that validate saw."""
    parts = placed.parts
    rows = [row for part in parts.values() for row in part]
    sizes = Counter(row["component"] for row in rows)
    largest = max(sizes, key=lambda name: (sizes[name], name))
    counts = {name: Counter(class_name(row["label"], spec) for row in parts[name]) for name in SPLITS}
    labels = {name: dict(sorted(counts[name].items())) for name in SPLITS}
    every = sorted({class_name(label, spec) for label in all_labels})
    moved = {move["id"] for move in placed.placement.moves}
    return row_metrics(
        rows_in,
        len(rows),
        ["near_golden"] * len(placed.quarantined),
        **{name: len(parts[name]) for name in SPLITS},
        components=len(sizes),
        largest_component={
            "name": largest,
            "rows": sizes[largest],
            "rows_without_links_by": without_each(len(rows), placed.links),
        },
        links={kind: len(pairs) for kind, pairs in placed.links.items()},
        moved_by_links=len(moved),
        joined_by_later_links=len({join["id"] for join in placed.placement.joins} - moved),
        split_reasons=dict(sorted(Counter(row["split_reason"] for row in rows).items())),
        difficulty={
            name: round(mean(row["difficulty"] for row in parts[name]), 4) for name in SPLITS if parts[name]
        },
        labels=labels,
        labels_missing={name: [label for label in every if label not in labels[name]] for name in SPLITS},
        hard_slices_in_test={s: sum(s in row["hard"] for row in parts["test"]) for s in params.hard_slices},
    )


def summary_lines(placed: Placed, certificates: Certificates, metrics: Mapping[str, Any]) -> list[str]:
    """The closing lines of the stage."""
    counts: dict[str, int] = {name: metrics[name] for name in SPLITS}
    nearest = {pair: entry["nearest_text"]["similarity"] for pair, entry in certificates.of_splits.items()}
    keys, pairs = (
        sum(entry[kind] for entry in certificates.of_random.values())
        for kind in ("shared_keys", "near_pairs")
    )
    return [
        f"{counted(counts)}; {len(placed.quarantined)} rows near a golden case quarantined",
        f"{metrics['components']} components, the largest of {metrics['largest_component']['rows']} rows; "
        f"{metrics['moved_by_links']} pinned rows moved by links",
        f"no key and no near pair in two splits (a random split: {keys} and {pairs})",
        f"nearest texts: {', '.join(f'{pair} {value:.2f}' for pair, value in nearest.items())}",
        *_warnings(metrics["labels_missing"]),
    ]


def _warnings(missing: Mapping[str, list[str]]) -> list[str]:
    """A line for validation and for test if it has no row of some label."""
    blind = {
        "validation": "the choice of the epoch does not see them",
        "test": "the evaluation does not see them",
    }
    return [
        f"warning: {split} has no row of {', '.join(missing[split][:NAMED])}"
        + (f" and {len(missing[split]) - NAMED} more labels" if len(missing[split]) > NAMED else "")
        + f": {effect}; set label_minimum.{split} to be stopped"
        for split, effect in blind.items()
        if missing[split]
    ]
