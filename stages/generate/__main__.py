"""generate: the teacher's samples for every row and every golden input, from recorded answers, the journal or
the teacher."""

from __future__ import annotations

from collections import Counter

from stages.generate.journal import Journal, Record
from stages.generate.params import GenerateParams
from stages.generate.recorded import read_recorded
from stages.generate.requests import Request, check_prompt, requests_for
from stages.shared.answers import AnswerSpec
from stages.shared.edge import run_stage
from stages.shared.errors import UserError
from stages.shared.files import Row, canonical_hash, read_rows, read_text, write_json, write_rows
from stages.shared.paths import cache_dir, metrics_file, out, prompt_file, recorded_file
from stages.shared.report import say


def main(task: str) -> None:
    """Write `data/generate/<task>/{rows,golden}.jsonl` and `metrics/<task>/generate.json`."""
    params = GenerateParams.load(task)
    prompt = check_prompt(read_text(prompt_file(task)), prompt_file(task))
    schema = AnswerSpec.load(task).schema
    rows = read_rows(out("ingest", task), "ingest")
    golden = read_rows(out("ingest", task, "golden"), "ingest")
    requests = requests_for([*rows, *golden], prompt, schema, params)

    records = read_recorded(recorded_file(task))
    sources = Counter(recorded=sum(request.key in records for request in requests))
    records = answer_all(task, requests, records, params, sources, prompt)

    prompt_hash = canonical_hash(prompt)
    teacher = {
        "model": params.model,
        "endpoint": params.endpoint,
        "prompt_hash": prompt_hash,
        "schema_hash": canonical_hash(schema),
        "sampling": params.sampling.model_dump(),
    }
    samples = samples_by_row(requests, records)
    for name, part in (("rows", rows), ("golden", golden)):
        write_rows(
            out("generate", task, name), [with_samples(row, samples[row["id"]], teacher) for row in part]
        )
    metrics = {"input": len(rows), "kept": len(rows), "rejected": 0, "reasons": {}, "golden": len(golden)}
    metrics |= {"requests": len(requests), "prompt_hash": prompt_hash, "model": params.model}
    write_json(metrics_file(task, "generate"), metrics)
    say(
        "generate",
        task,
        [
            f"{len(requests)} answers for {len(rows)} rows and {len(golden)} golden inputs",
            f"recorded {sources['recorded']}, from the journal {sources['journal']}, "
            f"asked now {sources['asked']}",
            f"prompt {prompt_hash[:12]}, model {params.model}",
        ],
    )


def answer_all(
    task: str,
    requests: list[Request],
    records: dict[str, Record],
    params: GenerateParams,
    sources: Counter[str],
    prompt: str,
) -> dict[str, Record]:
    """Complete `records` from the journal, then from the teacher. Raises UserError where neither can
    answer."""
    missing = [request for request in requests if request.key not in records]
    if not missing:
        return records
    with Journal(cache_dir() / "journal.sqlite") as journal:
        found = journal.get(request.key for request in missing)
        sources["journal"] = len(found)
        unanswered = [request for request in missing if request.key not in found]
        if unanswered and params.base_url is None:
            raise UserError(
                f"{task}: {len(unanswered)} of {len(requests)} requests have no recorded answer under prompt "
                f"{canonical_hash(prompt)[:12]} and model {params.model}, and no teacher is configured; "
                f"either set `{task}.generate.base_url` in params.yaml and {params.api_key_env} in the "
                f"environment, or restore {prompt_file(task)} and the `generate` block that the answers "
                "were recorded with"
            )
        if unanswered:
            sources["asked"] = len(unanswered)
            ask_teacher_edge(unanswered, journal, params)
            found |= journal.get(request.key for request in unanswered)
    return records | found


def ask_teacher_edge(requests: list[Request], journal: Journal, params: GenerateParams) -> None:
    """Ask over the network; the client is imported only when it is needed."""
    from stages.generate.teacher import ask_teacher

    ask_teacher(requests, journal, params)


def samples_by_row(requests: list[Request], records: dict[str, Record]) -> dict[str, list[Row]]:
    """Samples of each row in order of their index, each with the key of its request."""
    samples: dict[str, list[Row]] = {}
    for request in requests:
        record = records[request.key]
        sample = {"sample": request.sample, "key": request.key, "response": record["response"]}
        sample |= {"finish_reason": record.get("finish_reason"), "recorded_at": record["recorded_at"]}
        samples.setdefault(request.row_id, []).append(sample)
    return samples


def with_samples(row: Row, samples: list[Row], teacher: Row) -> Row:
    """The row with what the teacher said, and all that is known about how it was asked."""
    told = {name: [sample[name] for sample in samples] for name in ("key", "recorded_at")}
    about = teacher | {"request_keys": told["key"], "recorded_at": told["recorded_at"]}
    said = [{name: sample[name] for name in ("sample", "response", "finish_reason")} for sample in samples]
    return row | {"samples": said, "teacher": about}


if __name__ == "__main__":
    run_stage(main, "Ask the teacher about the rows and golden inputs of a task.")
