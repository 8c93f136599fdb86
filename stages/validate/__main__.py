"""validate: one answer per row from its samples; reviews, Great Expectations filters, status with all
reasons."""

from __future__ import annotations

from collections import Counter

from promptstill.answers.reviews import check_reviews
from promptstill.answers.spec import AnswerSpec
from promptstill.console.say import counted, say
from promptstill.console.stage_main import stage_main
from promptstill.core.files import read_lines, read_rows, write_json, write_rows
from promptstill.core.metrics import row_metrics
from promptstill.core.paths import expectation_file, metrics_file, out, reviews_file
from promptstill.core.settings import require_task
from promptstill.rows.row import SampledRow, ValidatedRow
from stages.validate.answered import answered
from stages.validate.status import CONTRADICTED, review_queue, status_of
from stages.validate.suite import failures, frame, read_suite


def main(task: str) -> None:
    """Write `data/validate/<task>/{rows,review_queue}.jsonl` and `metrics/<task>/validate.json`."""
    require_task(task)
    spec = AnswerSpec.load(task)
    suite_file = expectation_file(task, "suite.json")
    suite = read_suite(suite_file)
    reviews = check_reviews(read_lines(reviews_file(task)), spec, reviews_file(task))
    sampled = read_rows(out("generate", task), SampledRow, "generate")

    judged = [answered(row, reviews, spec) for row in sampled]
    failed = failures(frame([row for row, _ in judged], spec), suite, suite_file)
    rows: list[ValidatedRow] = []
    for (row, reviewed), row_failures in zip(judged, failed, strict=True):
        status, reasons = status_of(reviewed, row_failures)
        rows.append({**row, "status": status, "reasons": reasons})
    queue = review_queue(rows)

    write_rows(out("validate", task), rows)
    write_rows(out("validate", task, "review_queue"), queue)
    kept = [row for row in rows if row["status"] == "kept"]
    rejected = [row for row in rows if row["status"] == "rejected"]
    waiting = [row for row in rows if row["status"] == "review"]
    metrics = row_metrics(
        len(rows),
        len(kept),
        [row["reasons"][0] for row in rejected],
        review=len(waiting),
        review_reasons=dict(sorted(Counter(row["reasons"][0] for row in waiting).items())),
        all_reasons=dict(sorted(Counter(reason for row in rows for reason in row["reasons"]).items())),
        agreement=round(sum(row["agreement"] for row in rows) / len(rows), 4),
        edited=sum(row["edited"] for row in rows),
        reviews_contradicted=sum(CONTRADICTED in row["reasons"] for row in rows),
        labels=dict(sorted(Counter(str(row["label"]) for row in kept).items())),
        answer_spec_hash=spec.hash,
    )
    write_json(metrics_file(task, "validate"), metrics)
    say(
        "validate",
        task,
        [
            f"{len(kept)} kept, {len(rejected)} rejected, {len(waiting)} to review of {len(rows)}",
            f"reasons: {counted(metrics['all_reasons'])}",
            f"agreement of samples {metrics['agreement']:.4f}; edited by people {metrics['edited']}",
        ],
    )


if __name__ == "__main__":
    stage_main(main, "Parse, review and filter the teacher's answers of a task.")
