"""What happens to a row: it is kept, rejected or sent to a person."""

from __future__ import annotations

from typing import Literal

from promptstill.answers.reviews import Reviewed
from promptstill.rows.review_queue import QueueEntry, certainty, queue_entry
from promptstill.rows.row import ValidatedRow

Status = Literal["kept", "rejected", "review"]
CONTRADICTED = "review_contradicted"
REJECTED_BY_REVIEWER = "rejected_by_reviewer"
NO_ANSWER = "no_answer"


def status_of(reviewed: Reviewed, failed: list[tuple[str, str]]) -> tuple[Status, list[str]]:
    """The status of a row and all its reasons, from the expectations that it fails as (reason, action).

    A person's decision is final, and `reject` takes precedence over `review`.
    """
    reasons = [reason for reason, _ in failed]
    if reviewed["review"] == "reject":
        return "rejected", [REJECTED_BY_REVIEWER, *reasons]
    if reviewed["review"] is not None:
        return "kept", [*reasons, CONTRADICTED] if reviewed["contradicted"] else reasons
    if not failed:
        # Without this, a suite without a filter on `problem` would keep rows that have no answer.
        return ("kept", []) if reviewed["answer"] is not None else ("rejected", [NO_ANSWER])
    # A row is counted under its first reason, so reasons to reject come first.
    ordered = sorted(failed, key=lambda pair: pair[1] != "reject")
    return "rejected" if ordered[0][1] == "reject" else "review", [reason for reason, _ in ordered]


def review_queue(rows: list[ValidatedRow]) -> list[QueueEntry]:
    """What a person should look at, the least certain row first: rows in review, and kept rows whose review
    today's teacher contradicts."""
    waiting = [row for row in rows if row["status"] == "review" or CONTRADICTED in row["reasons"]]
    return [queue_entry(row, row["reasons"]) for row in sorted(waiting, key=certainty)]
