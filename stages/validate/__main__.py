"""validate: one answer a row from its samples; reviews, Great Expectations filters, status with all
reasons."""

from __future__ import annotations

from collections import Counter

from stages.shared.answers import AnswerSpec
from stages.shared.consensus import decide
from stages.shared.edge import run_stage
from stages.shared.files import read_json, read_lines, read_rows, write_json, write_rows
from stages.shared.paths import expectation_file, metrics_file, out, reviews_file
from stages.shared.report import counted, row_metrics, say
from stages.shared.settings import require_task
from stages.validate.reviews import apply_review, check_reviews
from stages.validate.status import CONTRADICTED, review_queue, with_status
from stages.validate.suite import failures, frame, read_suite


def main(task: str) -> None:
    """Write `data/validate/<task>/{rows,review_queue}.jsonl` and `metrics/<task>/validate.json`."""
    require_task(task)
    spec = AnswerSpec.load(task)
    suite_file = expectation_file(task, "suite.json")
    suite = read_suite(suite_file)
    reviews = check_reviews(read_lines(reviews_file(task)), spec, reviews_file(task))
    rows = read_rows(out("generate", task), "generate")

    rows = [apply_review(decide(row, spec), reviews, spec) for row in rows]
    failed = failures(frame(rows, spec), suite, suite_file)
    rows = [with_status(row, reasons) for row, reasons in zip(rows, failed, strict=True)]
    queue = review_queue(rows)

    write_rows(out("validate", task), rows)
    write_rows(out("validate", task, "review_queue"), queue)
    by_status = {
        name: [row for row in rows if row["status"] == name] for name in ("kept", "rejected", "review")
    }
    cost = read_json(metrics_file(task, "generate"))["cost_usd"]
    metrics = row_metrics(
        len(rows),
        len(by_status["kept"]),
        [row["reasons"][0] for row in by_status["rejected"]],
        review=len(by_status["review"]),
        review_reasons=dict(sorted(Counter(row["reasons"][0] for row in by_status["review"]).items())),
        all_reasons=dict(sorted(Counter(reason for row in rows for reason in row["reasons"]).items())),
        agreement=round(sum(row["agreement"] for row in rows) / len(rows), 4),
        edited=sum(row["edited"] for row in rows),
        reviews_contradicted=sum(CONTRADICTED in row["reasons"] for row in rows),
        labels=dict(sorted(Counter(row["label"] for row in by_status["kept"]).items())),
        cost_usd_per_kept_row=round(cost / len(by_status["kept"]), 9) if cost and by_status["kept"] else None,
        answer_spec_hash=spec.hash,
    )
    write_json(metrics_file(task, "validate"), metrics)
    say(
        "validate",
        task,
        [
            f"{metrics['kept']} kept, {metrics['rejected']} rejected, {metrics['review']} to review "
            f"of {len(rows)}",
            f"reasons: {counted(metrics['all_reasons'])}",
            f"agreement of samples {metrics['agreement']:.4f}; edited by people {metrics['edited']}",
        ],
    )


if __name__ == "__main__":
    run_stage(main, "Parse, review and filter the teacher's answers of a task.")
