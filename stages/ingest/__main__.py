"""ingest: check the rows of traffic and the golden cases, redact personal data, fold exact repeats, tag
slices."""

from __future__ import annotations

from collections import Counter

from promptstill.answers.spec import AnswerSpec
from promptstill.console.say import counted, say
from promptstill.console.stage_main import stage_main
from promptstill.core.files import read_lines, write_json, write_rows
from promptstill.core.metrics import row_metrics
from promptstill.core.paths import golden_file, metrics_file, out, traffic_file
from promptstill.rows.redact import redact
from promptstill.rows.row import GoldenCase, IngestedCase, IngestedRow, TrafficRow
from promptstill.rows.slices import load_slices, slices_of
from stages.ingest.contract import check_rows
from stages.ingest.fold import fold_repeats
from stages.ingest.golden import check_golden, refuse_shared_ids
from stages.ingest.params import IngestParams


def main(task: str) -> None:
    """Write `data/ingest/<task>/{rows,golden}.jsonl` and `metrics/<task>/ingest.json`."""
    params = IngestParams.load(task)
    slices = load_slices(task)
    traffic = check_rows(read_lines(traffic_file(task)), traffic_file(task))
    golden = check_golden(read_lines(golden_file(task)), AnswerSpec.load(task), golden_file(task))
    refuse_shared_ids(traffic, golden, golden_file(task))

    redacted: Counter[str] = Counter()
    redacted_golden: Counter[str] = Counter()
    safe_traffic: list[TrafficRow] = [
        {**row, "input": redacted_input(row["input"], params, redacted)} for row in traffic
    ]
    safe_golden: list[GoldenCase] = [
        {**case, "input": redacted_input(case["input"], params, redacted_golden)} for case in golden
    ]
    rows: list[IngestedRow] = [
        {**row, "repeats": repeats, "slices": slices_of(row["input"], row["tags"], row["source"], slices)}
        for row, repeats in fold_repeats(safe_traffic)
    ]
    cases: list[IngestedCase] = [
        {**case, "slices": slices_of(case["input"], case["tags"], None, slices)} for case in safe_golden
    ]

    write_rows(out("ingest", task), rows)
    write_rows(out("ingest", task, "golden"), cases)
    repeats = len(traffic) - len(rows)
    metrics = row_metrics(
        len(traffic),
        len(rows),
        ["exact_repeat"] * repeats,
        redacted_values={kind: redacted[kind] for kind in params.redact},
        slices={entry.name: sum(entry.name in row["slices"] for row in rows) for entry in slices},
        golden=len(cases),
        golden_redacted_values=sum(redacted_golden.values()),
    )
    write_json(metrics_file(task, "ingest"), metrics)
    say(
        "ingest",
        task,
        [
            f"{len(rows)} rows of {len(traffic)} ({repeats} exact repeats folded), {len(cases)} golden",
            f"redacted: {counted(metrics['redacted_values'])}",
            f"slices: {counted(metrics['slices'])}",
        ],
    )


def redacted_input(text: str, params: IngestParams, counts: Counter[str]) -> str:
    """The text without personal data and secrets; adds the number of values per kind to `counts`."""
    safe, values = redact(text, params.redact, params.phone_regions)
    counts.update(values)
    return safe


if __name__ == "__main__":
    stage_main(main, "Check, redact, fold and slice the traffic and the golden cases of a task.")
