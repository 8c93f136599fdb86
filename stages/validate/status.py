"""What happens to a row: kept, rejected or sent to a person, and in which order people see it."""

from __future__ import annotations

from stages.shared.files import Row
from stages.shared.text import input_hash

CONTRADICTED = "review_contradicted"
REJECTED_BY_REVIEWER = "rejected_by_reviewer"
QUEUED_FIELDS = ("id", "reasons", "agreement", "confidence", "answer", "input", "source", "slices")


def with_status(row: Row, failed: list[tuple[str, str]]) -> Row:
    """The row with `status` and all `reasons`. A person's decision is final; a rejection outweighs a
    doubt."""
    reasons = [reason for reason, _ in failed]
    if row["review"] == "reject":
        status, reasons = "rejected", [REJECTED_BY_REVIEWER, *reasons]
    elif row["review"] is not None:
        status = "kept"
        reasons = [*reasons, CONTRADICTED] if row["contradicted"] else reasons
    elif not failed:
        status = "kept"
    else:
        # The first reason is the one a row is counted under, so reasons to reject lead.
        failed = sorted(failed, key=lambda pair: pair[1] != "reject")
        reasons = [reason for reason, _ in failed]
        status = "rejected" if failed[0][1] == "reject" else "review"
    row = {name: value for name, value in row.items() if name != "contradicted"}
    return row | {"status": status, "reasons": reasons}


def review_queue(rows: list[Row]) -> list[Row]:
    """What a person should look at, the least certain first: rows in review, and kept ones whose review the
    teacher now contradicts. Each entry holds what a decision needs, and the `input_hash` that a review is
    keyed by."""
    waiting = [row for row in rows if row["status"] == "review" or CONTRADICTED in row["reasons"]]
    waiting.sort(key=lambda row: (row["agreement"], row["confidence"] or 0.0, row["id"]))
    return [
        {name: row[name] for name in QUEUED_FIELDS}
        | {
            "input_hash": input_hash(row["input"]),
            "replies": [sample["response"] for sample in row["samples"]],
        }
        for row in waiting
    ]
