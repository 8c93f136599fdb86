"""What happens to a row: kept, rejected or sent to a person, and in which order people see it."""

from __future__ import annotations

from stages.shared.files import Row
from stages.shared.queue import certainty, queued

CONTRADICTED = "review_contradicted"
REJECTED_BY_REVIEWER = "rejected_by_reviewer"


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
    teacher now contradicts."""
    waiting = [row for row in rows if row["status"] == "review" or CONTRADICTED in row["reasons"]]
    return [queued(row) for row in sorted(waiting, key=certainty)]
