"""dedupe: near-duplicate groups over embeddings, confirmed on the text; the best row of each group stays."""

from __future__ import annotations

from stages.dedupe.groups import label_conflicts, represent, without_floods
from stages.dedupe.histogram import COLUMNS, MARGIN, ROWS, histogram
from stages.dedupe.params import DedupeParams
from stages.dedupe.rows import kept_rows
from stages.shared.edge import run_stage
from stages.shared.embeddings import embed
from stages.shared.engine import running
from stages.shared.files import Row, write_csv, write_json, write_rows
from stages.shared.paths import PARAMS, metrics_file, out, plot_file
from stages.shared.report import counted, row_metrics, say
from stages.shared.sampling import evenly
from stages.shared.similarity import near_pairs


def main(task: str) -> None:
    """Write `data/dedupe/<task>/{rows,removed,review_queue}.jsonl`, `metrics/<task>/dedupe.json` and the
    histogram `metrics/<task>/similarities.csv`."""
    params = DedupeParams.load(task)
    rows = kept_rows(task)
    texts = [row["input"] for row in rows]
    engine = params.engine
    with running(engine, f"{PARAMS}: {task}.dedupe.engine"):
        vectors = embed(texts, params.encoder, engine)
        pairs = near_pairs(vectors, texts, params.meaning, params.text, engine)
        kept, removed = represent(rows, pairs, params.slice_minimum)
        flooded: list[Row] = []
        if params.flooding is not None:
            loose = params.flooding
            position = {row["id"]: i for i, row in enumerate(rows)}
            left = [position[row["id"]] for row in kept]
            alike = near_pairs(vectors[left], [texts[i] for i in left], loose.meaning, loose.text, engine)
            kept, flooded = without_floods(kept, alike, loose.most)
    queue = label_conflicts(removed, [*kept, *flooded])
    some = list(evenly(len(rows), ROWS))
    around = near_pairs(vectors[some], [texts[i] for i in some], max(0.0, params.meaning - MARGIN), 0.0)

    write_rows(out("dedupe", task), kept)
    write_rows(out("dedupe", task, "removed"), [*removed, *flooded])
    write_rows(out("dedupe", task, "review_queue"), queue)
    write_csv(plot_file(task, "similarities"), COLUMNS, histogram(around))
    metrics = row_metrics(
        len(rows),
        len(kept),
        [row["removed_because"] for row in [*removed, *flooded]],
        pairs=len(pairs),
        groups=sum(bool(row["linked"]) for row in kept),
        largest_group=max(len(row["linked"]) + 1 for row in kept),
        label_conflicts=len({row["group"] for row in queue}),
        conflicts_to_review=len(queue),
    )
    write_json(metrics_file(task, "dedupe"), metrics)
    say(
        "dedupe",
        task,
        [
            f"{len(kept)} rows kept of {len(rows)}; removed: {counted(metrics['reasons'])}",
            f"{metrics['groups']} groups, the largest of {metrics['largest_group']}; {len(pairs)} pairs",
            f"groups whose members have different labels: {metrics['label_conflicts']}, "
            f"with {len(queue)} rows to review",
        ],
    )


if __name__ == "__main__":
    run_stage(main, "Remove near-duplicates among the kept rows of a task.")
