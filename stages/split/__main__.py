"""split: components that share no origin go to train, validation and test; rows near a golden case leave."""

from __future__ import annotations

from collections.abc import Sequence

from promptstill.answers.spec import AnswerSpec
from promptstill.console.say import say
from promptstill.console.stage_main import stage_main
from promptstill.core.files import file_hash, iter_rows, read_lines, read_rows, write_json, write_rows
from promptstill.core.paths import PARAMS, certified_file, details_file, out, pins_file
from promptstill.near.engine import open_engine
from promptstill.rows.row import IngestedCase, RemovedRow, ValidatedRow
from promptstill.rows.slices import load_slices
from stages.split.build import Placed, certified, compare, place
from stages.split.certificate import METHOD
from stages.split.links import check_giant
from stages.split.metrics import metrics_of, summary_lines
from stages.split.params import SplitParams
from stages.split.pins import check_pins
from stages.split.quota import SPLITS
from stages.split.rows import as_chat, light_rows, whole_rows
from stages.split.shortfall import flow_table, label_flow, quota_error, shortfall


def main(task: str) -> None:
    """Write `data/split/<task>/{train,validation,test,quarantine,moves}.jsonl` with `certified.json`,
    `metrics.json` and the leak certificate. Quarantine and metrics are written even if the rows then miss a
    quota."""
    params = SplitParams.load(task)
    spec = AnswerSpec.load(task)
    pins = check_pins(read_lines(pins_file(task)), pins_file(task))
    slices = [entry.name for entry in load_slices(task)]
    rows = light_rows(task)
    golden = read_rows(out("ingest", task, "golden"), IngestedCase, "ingest")
    with open_engine(params.engine, f"{PARAMS}: {task}.split.engine") as engine:
        compared = compare(rows, golden, params, engine)
    placed = place(compared, slices, pins, params, task)
    # It holds the vectors of all rows, and `placed` those of the rows that stay.
    del compared
    # A label whose rows all left on the way must be missed, so these are the labels that validate saw.
    validated = iter_rows(out("validate", task), ValidatedRow, "validate")
    labels = sorted({row["label"] for row in validated if row["label"] is not None})
    metrics = metrics_of(placed, len(rows), params, spec, labels)
    write_rows(out("split", task, "quarantine"), whole_rows(task, placed.quarantined))
    write_json(details_file("split", task), metrics)
    check(placed, params, task, labels)
    certificates = certified(placed, params.seed)

    for name in SPLITS:
        part = whole_rows(task, placed.parts[name])
        write_rows(out("split", task, name), (as_chat(row, spec) for row in part))
    write_rows(out("split", task, "moves"), placed.placement.moves)
    files = {name: out("split", task, name) for name in SPLITS} | {"golden": out("ingest", task, "golden")}
    hashes = {name: file_hash(path) for name, path in files.items()}
    # All that train needs to know about the certificate: nothing in it depends on the golden set.
    write_json(certified_file(task), {name: hashes[name] for name in ("train", "validation")})
    thresholds = {"link": params.link.model_dump(), "quarantine": params.quarantine.model_dump()}
    facts = {"method": METHOD, "encoder": params.encoder, "thresholds": thresholds}
    leaks = facts | {"files_sha256": hashes, "pairs": certificates.of_splits}
    write_json(details_file("split", task, "leaks"), leaks)
    write_json(details_file("split", task, "leaks_random"), facts | {"pairs": certificates.of_random})
    say("split", task, summary_lines(placed, certificates, metrics))


def check(placed: Placed, params: SplitParams, task: str, labels: Sequence[str]) -> None:
    """Raise UserError if a component is too large or a quota is not met; for a quota, print first where the
    rows of the labels went."""
    check_giant(len(placed.ids), placed.links, params.largest_component, task)
    missing = shortfall(placed.parts, params, labels)
    if missing:
        validated = iter_rows(out("validate", task), ValidatedRow, "validate")
        removed = iter_rows(out("dedupe", task, "removed"), RemovedRow, "dedupe")
        flow = label_flow(validated, removed, placed.quarantined)
        say("split", task, flow_table(missing, flow))
        raise quota_error(missing, flow, task)


if __name__ == "__main__":
    stage_main(main, "Split the rows of a task without leaks.")
