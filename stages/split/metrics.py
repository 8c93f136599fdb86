"""Built splits in; metrics and the closing lines of the stage out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from statistics import mean
from typing import Any

from promptstill.console.say import counted
from promptstill.core.metrics import row_metrics
from stages.split.build import Built
from stages.split.links import without_each
from stages.split.params import SplitParams
from stages.split.quota import SPLITS


def metrics_of(built: Built, rows_in: int, params: SplitParams) -> dict[str, Any]:
    """The content of `metrics/<task>/split.json`."""
    parts = built.parts
    rows = [row for part in parts.values() for row in part]
    sizes = Counter(row["component"] for row in rows)
    largest = max(sizes, key=lambda name: (sizes[name], name))
    return row_metrics(
        rows_in,
        len(rows),
        ["near_golden"] * len(built.quarantined),
        **{name: len(parts[name]) for name in SPLITS},
        components=len(sizes),
        largest_component={
            "name": largest,
            "rows": sizes[largest],
            "rows_without_links_by": without_each(len(rows), built.links),
        },
        links={kind: len(pairs) for kind, pairs in built.links.items()},
        moved_by_links=len(built.moves),
        split_reasons=dict(sorted(Counter(row["split_reason"] for row in rows).items())),
        difficulty={name: round(mean(row["difficulty"] for row in parts[name]), 4) for name in SPLITS},
        labels={name: dict(sorted(Counter(row["label"] for row in parts[name]).items())) for name in SPLITS},
        hard_slices_in_test={s: sum(s in row["hard"] for row in parts["test"]) for s in params.hard_slices},
    )


def summary_lines(built: Built, metrics: Mapping[str, Any]) -> list[str]:
    """The closing lines of the stage."""
    counts: dict[str, int] = {name: metrics[name] for name in SPLITS}
    nearest = {pair: entry["nearest_text"]["similarity"] for pair, entry in built.certificate.items()}
    keys, pairs = (
        sum(entry[kind] for entry in built.certificate_of_random.values())
        for kind in ("shared_keys", "near_pairs")
    )
    return [
        f"{counted(counts)}; {len(built.quarantined)} rows near a golden case quarantined",
        f"{metrics['components']} components, the largest of {metrics['largest_component']['rows']} rows; "
        f"{len(built.moves)} rows moved by links",
        f"no key and no near pair in two splits (a random split: {keys} and {pairs})",
        f"nearest texts: {', '.join(f'{pair} {value:.2f}' for pair, value in nearest.items())}",
    ]
