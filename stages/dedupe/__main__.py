"""dedupe: near-duplicates by embedding and text; a row leaves for a better row that is near it and agrees."""

from __future__ import annotations

from promptstill.answers.schema.form import AnswerForm
from promptstill.console.say import counted, say
from promptstill.console.stage_main import stage_main
from promptstill.core.files import write_csv, write_json, write_rows
from promptstill.core.metrics import row_metrics
from promptstill.core.paths import PARAMS, details_file, out, plot_file
from promptstill.near.engine import open_engine
from promptstill.near.sampling import evenly
from promptstill.rows.row import FloodedRow
from stages.dedupe.cited import differing
from stages.dedupe.compared import with_vectors
from stages.dedupe.conflicts import answer_conflicts, contradicted
from stages.dedupe.groups import represent, without_floods
from stages.dedupe.histogram import COLUMNS, MARGIN, ROWS, histogram
from stages.dedupe.params import DedupeParams
from stages.dedupe.rows import kept_rows


def main(task: str) -> None:
    """Write `data/dedupe/<task>/{rows,removed,conflicts}.jsonl`, `metrics.json` there, and the histogram
    `metrics/<task>/similarities.csv`."""
    params = DedupeParams.load(task)
    differ = differing(AnswerForm.load(task))
    with open_engine(params.engine, f"{PARAMS}: {task}.dedupe.engine") as engine:
        corpus = with_vectors(kept_rows(task), params, engine)
        pairs = corpus.pairs(params.min_cosine, params.min_text_overlap, engine)
        kept, removed = represent(corpus.rows, pairs, differ, params)
        flooded: list[FloodedRow] = []
        if params.flooding is not None:
            loose = params.flooding
            position = {row["id"]: i for i, row in enumerate(corpus.rows)}
            left = corpus.take([position[row["id"]] for row in kept])
            alike = left.pairs(loose.min_cosine, loose.min_text_overlap, engine)
            kept, flooded = without_floods(kept, alike, loose.most, differ, params)
    conflicts = answer_conflicts(corpus.rows, pairs, differ, params)
    named = contradicted(corpus.rows, conflicts)
    sample = corpus.take(evenly(len(corpus.rows), ROWS))
    around = sample.each_pair(max(0.0, params.min_cosine - MARGIN), 0.0)

    write_rows(out("dedupe", task), kept)
    write_rows(out("dedupe", task, "removed"), [*removed, *flooded])
    write_rows(out("dedupe", task, "conflicts"), named)
    write_csv(plot_file(task, "similarities"), COLUMNS, histogram(around))
    metrics = row_metrics(
        len(corpus.rows),
        len(kept),
        [row["removed_because"] for row in [*removed, *flooded]],
        pairs=len(pairs),
        groups=sum(bool(row["linked"]) for row in kept),
        largest_group=max(len(row["linked"]) + 1 for row in kept),
        answer_conflicts=len(conflicts),
        conflicts_to_review=len(named),
    )
    write_json(details_file("dedupe", task), metrics)
    say(
        "dedupe",
        task,
        [
            f"{len(kept)} rows kept of {len(corpus.rows)}; removed: {counted(metrics['reasons'])}",
            f"{metrics['groups']} groups, the largest of {metrics['largest_group']}; {len(pairs)} pairs",
            f"near pairs whose answers differ: {len(conflicts)}, with {len(named)} rows to review",
        ],
    )


if __name__ == "__main__":
    stage_main(main, "Remove near-duplicates among the kept rows of a task.")
