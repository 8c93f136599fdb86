"""generate: the teacher's samples for every row and every golden input, from recorded answers, the journal or
the teacher."""

from __future__ import annotations

from itertools import chain

from stages.generate.budget import Tally, usd
from stages.generate.collect import Rows, ask_missing, count_missing, resolved
from stages.generate.params import GenerateParams
from stages.generate.questions import Questions
from stages.generate.recorded import Answers
from stages.generate.run import Run
from stages.generate.samples import teacher_facts, with_samples, without_samples
from stages.shared.edge import run_stage
from stages.shared.files import iter_rows, write_json, write_rows
from stages.shared.paths import journal_file, metrics_file, out, recorded_file
from stages.shared.report import row_metrics, say


def main(task: str) -> None:
    """Write `data/generate/<task>/{rows,golden,dead}.jsonl` and `metrics/<task>/generate.json`."""
    params = GenerateParams.load(task)
    questions = Questions.load(task, params)
    rows, golden = ingested(task, "rows"), ingested(task, "golden")
    run, tally = Run(), Tally()

    with Answers(recorded_file(task), journal_file()) as answers:
        count = count_missing(lambda: chain(rows(), golden()), questions, answers)
        if count.missing_rows:
            run = ask_missing(task, lambda: chain(rows(), golden()), count, questions, answers)
        facts = teacher_facts(questions)
        alive = (row for row in rows() if row["id"] not in run.dead)
        complete = (with_samples(one, facts, tally) for one in resolved(alive, questions, answers))
        kept = write_rows(out("generate", task, "rows"), complete)
        dead = [row | {"reason": run.dead[row["id"]]} for row in rows() if row["id"] in run.dead]
        write_rows(out("generate", task, "dead"), dead)
        cases = (
            without_samples(one.row, facts) if one.row["id"] in run.dead else with_samples(one, facts, tally)
            for one in resolved(golden(), questions, answers)
        )
        golden_count = write_rows(out("generate", task, "golden"), cases)
    cases_unanswered = len(run.dead) - len(dead)
    metrics = row_metrics(
        kept + len(dead),
        kept,
        # What the server said differs from row to row; the status is what is counted.
        [row["reason"].split(" (")[0] for row in dead],
        golden=golden_count,
        golden_unanswered=cases_unanswered,
        requests=tally.answers,
        **tally.metrics(params),
        prompt_hash=questions.prompt_hash,
        model=params.model,
    )
    assert metrics["input"] + golden_count == count.rows, "a row was lost"
    write_json(metrics_file(task, "generate"), metrics)
    told = [
        f"{tally.answers} answers for {kept} rows and {golden_count} golden inputs; {len(run.dead)} given up",
        f"known {count.known} (recorded {count.recorded}), asked now {run.answered}; "
        f"failed calls {run.failed}",
        f"prompt {questions.prompt_hash[:12]}, model {params.model}",
    ]
    if params.price is not None:
        told.append(
            f"cost of the answers {metrics['cost_usd']} USD; spent on this version {usd(run.spent)} USD"
        )
    say("generate", task, told)


def ingested(task: str, name: str) -> Rows:
    """Opens an out of ingest; its rows are never all in memory."""
    return lambda: iter_rows(out("ingest", task, name), "ingest")


if __name__ == "__main__":
    run_stage(main, "Ask the teacher about the rows and golden inputs of a task.")
