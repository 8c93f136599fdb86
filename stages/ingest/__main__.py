"""ingest: check the rows of traffic and the golden cases, redact personal data, fold exact repeats, tag
slices."""

from __future__ import annotations

from collections import Counter

from promptstill.answers.spec import AnswerSpec
from promptstill.console.errors import UserError
from promptstill.console.say import counted, say
from promptstill.console.stage_main import stage_main
from promptstill.core.files import read_lines, write_json, write_rows
from promptstill.core.metrics import row_metrics
from promptstill.core.paths import details_file, golden_file, out, traffic_file
from promptstill.rows.pseudonym import has_address
from promptstill.rows.redact import redact
from promptstill.rows.row import GoldenCase, IngestedCase, IngestedRow, TrafficRow
from promptstill.rows.slices import load_slices, slices_of
from stages.ingest.contract import check_rows
from stages.ingest.fold import fold_repeats
from stages.ingest.golden import check_golden, refuse_long_inputs, refuse_shared_ids
from stages.ingest.params import IngestParams


def main(task: str) -> None:
    """Write `data/ingest/<task>/{rows,golden}.jsonl` and `metrics.json`."""
    params = IngestParams.load(task)
    slices = load_slices(task)
    traffic = read_traffic(task)
    golden = check_golden(read_lines(golden_file(task)), AnswerSpec.load(task), golden_file(task))
    refuse_shared_ids(traffic, golden, golden_file(task))
    refuse_long_inputs(golden, params.max_chars, golden_file(task))
    short = [row for row in traffic if len(row["input"]) <= params.max_chars]

    redacted: Counter[str] = Counter()
    redacted_golden: Counter[str] = Counter()
    safe_traffic: list[TrafficRow] = [
        {**row, "input": redacted_input(row["input"], params, redacted)} for row in short
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
    too_long, repeats = len(traffic) - len(short), len(short) - len(rows)
    metrics = row_metrics(
        len(traffic),
        len(rows),
        ["exact_repeat"] * repeats + ["too_long"] * too_long,
        redacted_values={kind: redacted[kind] for kind in params.redact},
        slices={entry.name: sum(entry.name in row["slices"] for row in rows) for entry in slices},
        golden=len(cases),
        golden_redacted_values=sum(redacted_golden.values()),
    )
    write_json(details_file("ingest", task), metrics)
    say(
        "ingest",
        task,
        [
            f"{len(rows)} rows of {len(traffic)} ({repeats} exact repeats folded, {too_long} too long), "
            f"{len(cases)} golden",
            f"redacted: {counted(metrics['redacted_values'])}",
            f"slices: {counted(metrics['slices'])}",
            *address_warning(traffic),
        ],
    )


def read_traffic(task: str) -> list[TrafficRow]:
    """The checked rows of traffic. Raises UserError if there are none."""
    path = traffic_file(task)
    if not path.exists():
        raise UserError(f"{path}: no such file; run `still import {task} FILE`, or `dvc pull` it")
    return check_rows(read_lines(path), path)


def address_warning(rows: list[TrafficRow]) -> list[str]:
    """A line about e-mail addresses beside the texts, which reach the split files; none if there are none."""
    count = sum(has_address(row) for row in rows)
    return [f"{count} rows have an e-mail address as id or link; `still import` replaces it"] if count else []


def redacted_input(text: str, params: IngestParams, counts: Counter[str]) -> str:
    """The text without personal data and secrets; adds the number of values per kind to `counts`."""
    safe, values = redact(text, params.redact, params.phone_regions)
    counts.update(values)
    return safe


if __name__ == "__main__":
    stage_main(main, "Check, redact, fold and slice the traffic and the golden cases of a task.")
