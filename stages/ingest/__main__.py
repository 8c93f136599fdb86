"""ingest: check the rows of traffic, redact personal data, fold exact repeats, tag slices; the same for
golden cases."""

from __future__ import annotations

from collections import Counter

from stages.ingest.contract import check_rows
from stages.ingest.fold import fold_repeats
from stages.ingest.golden import check_golden, refuse_shared_ids
from stages.ingest.params import IngestParams
from stages.shared.answers import AnswerSpec
from stages.shared.edge import run_stage
from stages.shared.files import Row, read_lines, write_json, write_rows
from stages.shared.paths import golden_file, metrics_file, out, traffic_file
from stages.shared.redact import redact
from stages.shared.report import counted, row_metrics, say
from stages.shared.slices import load_slices, slices_of


def main(task: str) -> None:
    """Write `data/ingest/<task>/{rows,golden}.jsonl` and `metrics/<task>/ingest.json`."""
    params = IngestParams.load(task)
    slices = load_slices(task)
    traffic = check_rows(read_lines(traffic_file(task)), traffic_file(task))
    golden = check_golden(read_lines(golden_file(task)), AnswerSpec.load(task), golden_file(task))
    refuse_shared_ids(traffic, golden, golden_file(task))

    redacted = redact_inputs(traffic, params)
    redacted_golden = redact_inputs(golden, params)
    rows = fold_repeats(traffic)
    for row in [*rows, *golden]:
        row["slices"] = slices_of(row, slices)

    write_rows(out("ingest", task), rows)
    write_rows(out("ingest", task, "golden"), golden)
    metrics = row_metrics(
        len(traffic),
        len(rows),
        ["exact_repeat"] * (len(traffic) - len(rows)),
        redacted_values={kind: redacted[kind] for kind in params.redact},
        slices={one.name: sum(one.name in row["slices"] for row in rows) for one in slices},
        golden=len(golden),
        golden_redacted_values=sum(redacted_golden.values()),
    )
    write_json(metrics_file(task, "ingest"), metrics)
    say(
        "ingest",
        task,
        [
            f"{len(rows)} rows of {len(traffic)} ({len(traffic) - len(rows)} exact repeats folded), "
            f"{len(golden)} golden",
            f"redacted: {counted(metrics['redacted_values'])}",
            f"slices: {counted(metrics['slices'])}",
        ],
    )


def redact_inputs(rows: list[Row], params: IngestParams) -> Counter[str]:
    """Redact the inputs in place and count the values replaced, by kind."""
    counts: Counter[str] = Counter()
    for row in rows:
        row["input"], found = redact(row["input"], params.redact, params.phone_regions)
        counts += found
    return counts


if __name__ == "__main__":
    run_stage(main, "Check, redact, fold and slice the traffic and the golden cases of a task.")
