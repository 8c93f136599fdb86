"""validate: one answer per row from its samples; reviews, Great Expectations filters, status with all
reasons."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from promptstill.answers.consensus import reader
from promptstill.answers.spec import AnswerSpec
from promptstill.console.errors import UserError
from promptstill.console.say import counted, say
from promptstill.console.stage_main import stage_main
from promptstill.core.files import iter_rows, read_lines, write_json, write_rows
from promptstill.core.paths import details_file, expectation_file, out, reviews_file
from promptstill.core.settings import require_task
from promptstill.reviews.decisions import Reviewed, Reviews, check_reviews, match_reviews
from promptstill.rows.row import AnsweredRow, SampledRow, ValidatedRow
from stages.validate.answered import answered
from stages.validate.judge import BLOCK, Judge
from stages.validate.status import status_of
from stages.validate.suite import read_suite
from stages.validate.tally import Tally, summary


def main(task: str) -> None:
    """Write `data/validate/<task>/rows.jsonl` and `metrics.json`.

    Memory does not grow with the rows, apart from what expectations about all rows need.
    """
    require_task(task)
    spec = AnswerSpec.load(task)
    suite = read_suite(expectation_file(task, "suite.json"), spec)
    path = reviews_file(task)
    reviews = match_reviews(check_reviews(read_lines(path), spec, path), sampled_rows(task))
    judge = Judge(suite, spec)
    judge.compare(lambda: ([row for row, _ in block] for block in blocks(task, reviews, spec)))

    tally = Tally(spec)
    write_rows(out("validate", task), judged_rows(task, judge, reviews, spec, tally))
    metrics = tally.metrics(reviews)
    write_json(details_file("validate", task), metrics)
    say("validate", task, summary(metrics, str(path)))
    if not metrics["kept"]:
        raise UserError(
            f"{out('validate', task)}: no row was kept of {metrics['input']}: "
            f"rejected {counted(metrics['reasons'])}; in review {counted(metrics['review_reasons'])}; "
            f"observed {judge.observed.words()}; check {suite.path}"
        )


def sampled_rows(task: str) -> Iterator[SampledRow]:
    """The rows that generate wrote, one at a time."""
    return iter_rows(out("generate", task), SampledRow, "generate")


def blocks(task: str, reviews: Reviews, spec: AnswerSpec) -> Iterator[list[tuple[AnsweredRow, Reviewed]]]:
    """The answered rows in blocks, with the reviews that apply to them."""
    rows = sampled_rows(task)
    read = reader(spec)
    while block := [answered(row, reviews, spec, read) for row in islice(rows, BLOCK)]:
        yield block


def judged_rows(
    task: str, judge: Judge, reviews: Reviews, spec: AnswerSpec, tally: Tally
) -> Iterator[ValidatedRow]:
    """The rows with their status, each counted."""
    for block in blocks(task, reviews, spec):
        failures = judge.failures([row for row, _ in block])
        for (row, reviewed), failed in zip(block, failures, strict=True):
            status, reasons = status_of(reviewed, failed)
            validated: ValidatedRow = {**row, "status": status, "reasons": reasons}
            tally.add(validated)
            yield validated
        # The generator of the blocks refers to this one while it makes the next.
        block.clear()
    judge.finish()


if __name__ == "__main__":
    stage_main(main, "Parse, review and filter the teacher's answers of a task.")
