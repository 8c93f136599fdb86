"""dedupe: near-duplicate groups over embeddings, confirmed on the text; the best row of each group stays."""

from __future__ import annotations

from stages.dedupe.groups import label_conflicts, represent
from stages.dedupe.histogram import COLUMNS, MARGIN, histogram
from stages.dedupe.params import DedupeParams
from stages.shared.edge import run_stage
from stages.shared.embeddings import embed
from stages.shared.errors import UserError
from stages.shared.files import read_rows, write_csv, write_json, write_rows
from stages.shared.paths import metrics_file, out, plot_file
from stages.shared.report import row_metrics, say
from stages.shared.similarity import at_least, confirmed, meaning_pairs


def main(task: str) -> None:
    """Write `data/dedupe/<task>/{rows,removed,conflicts}.jsonl`, `metrics/<task>/dedupe.json` and the
    histogram `metrics/<task>/similarities.csv`."""
    params = DedupeParams.load(task)
    rows = [row for row in read_rows(out("validate", task), "validate") if row["status"] == "kept"]
    if not rows:
        raise UserError(
            f"{out('validate', task)}: no row was kept; look at the reasons in metrics/{task}/validate.json"
        )
    texts = [row["input"] for row in rows]

    around = meaning_pairs(embed(texts, params.encoder), None, max(0.0, params.meaning - MARGIN))
    pairs = confirmed(at_least(around, params.meaning), texts, texts, params.text)
    kept, removed = represent(rows, pairs)
    conflicts = label_conflicts(removed, kept)

    write_rows(out("dedupe", task), kept)
    write_rows(out("dedupe", task, "removed"), removed)
    write_rows(out("dedupe", task, "conflicts"), conflicts)
    write_csv(plot_file(task, "similarities"), COLUMNS, histogram(confirmed(around, texts, texts, 0.0)))
    metrics = row_metrics(
        len(rows),
        len(kept),
        ["near_duplicate"] * len(removed),
        pairs=len(pairs),
        groups=sum(bool(row["linked"]) for row in kept),
        largest_group=max(len(row["linked"]) + 1 for row in kept),
        label_conflicts=len(conflicts),
    )
    write_json(metrics_file(task, "dedupe"), metrics)
    say(
        "dedupe",
        task,
        [
            f"{len(kept)} rows kept of {len(rows)}, {len(removed)} near-duplicates removed",
            f"{metrics['groups']} groups, the largest of {metrics['largest_group']}; {len(pairs)} pairs",
            f"groups whose members have different labels: {len(conflicts)}",
        ],
    )


if __name__ == "__main__":
    run_stage(main, "Remove near-duplicates among the kept rows of a task.")
