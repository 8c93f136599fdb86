"""split: components that share no origin go to train, validation and test; rows near a golden case leave."""

from __future__ import annotations

from promptstill.answers.spec import AnswerSpec
from promptstill.console.say import say
from promptstill.console.stage_main import stage_main
from promptstill.core.files import file_hash, read_lines, read_rows, write_json, write_rows
from promptstill.core.paths import PARAMS, certified_file, metrics_file, out, pins_file
from promptstill.near.engine import open_engine
from promptstill.rows.row import DedupedRow, IngestedCase, PlacedRow, SplitRow
from promptstill.rows.slices import load_slices
from stages.split.build import build
from stages.split.certificate import METHOD
from stages.split.metrics import metrics_of, summary_lines
from stages.split.params import SplitParams
from stages.split.pins import check_pins
from stages.split.quota import SPLITS


def main(task: str) -> None:
    """Write `data/split/<task>/{train,validation,test,quarantine,moves}.jsonl` with `certified.json`, metrics
    and the leak certificate."""
    params = SplitParams.load(task)
    spec = AnswerSpec.load(task)
    pins = check_pins(read_lines(pins_file(task)), pins_file(task))
    slices = [entry.name for entry in load_slices(task)]
    rows = read_rows(out("dedupe", task), DedupedRow, "dedupe")
    golden = read_rows(out("ingest", task, "golden"), IngestedCase, "ingest")
    with open_engine(params.engine, f"{PARAMS}: {task}.split.engine") as engine:
        built = build(rows, golden, slices, pins, params, task, engine)

    for name in SPLITS:
        write_rows(out("split", task, name), [as_chat(row, spec) for row in built.parts[name]])
    write_rows(out("split", task, "quarantine"), built.quarantined)
    write_rows(out("split", task, "moves"), built.moves)
    files = {name: out("split", task, name) for name in SPLITS} | {"golden": out("ingest", task, "golden")}
    hashes = {name: file_hash(path) for name, path in files.items()}
    # All that train needs to know about the certificate: nothing in it depends on the golden set.
    write_json(certified_file(task), {name: hashes[name] for name in ("train", "validation")})
    thresholds = {"link": params.link.model_dump(), "quarantine": params.quarantine.model_dump()}
    facts = {"method": METHOD, "encoder": params.encoder, "thresholds": thresholds}
    write_json(metrics_file(task, "leaks"), facts | {"files_sha256": hashes, "pairs": built.certificate})
    write_json(metrics_file(task, "leaks_random"), facts | {"pairs": built.certificate_of_random})
    metrics = metrics_of(built, len(rows), params)
    write_json(metrics_file(task, "split"), metrics)
    say("split", task, summary_lines(built, metrics))


def as_chat(row: PlacedRow, spec: AnswerSpec) -> SplitRow:
    """The row with `messages`, without the teacher's prompt, as Hugging Face datasets, TRL and OpenAI
    fine-tuning read it."""
    return {
        "messages": [
            {"role": "user", "content": row["input"]},
            {"role": "assistant", "content": spec.text(row["answer"])},
        ],
        **row,
    }


if __name__ == "__main__":
    stage_main(main, "Split the rows of a task without leaks.")
