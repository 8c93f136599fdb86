"""What happens to a row: it is kept, rejected or sent to a person."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from promptstill.reviews.decisions import REJECTED_BY_REVIEWER, Reviewed

Status = Literal["kept", "rejected", "review"]
NO_ANSWER = "no_answer"


def status_of(reviewed: Reviewed, failed: Sequence[tuple[str, str]]) -> tuple[Status, list[str]]:
    """The status of a row and all its reasons, from the expectations that it fails as (reason, action).

    A person's decision is final, and `reject` takes precedence over `review`.
    """
    reasons = list(dict.fromkeys(reason for reason, _ in failed))
    if reviewed["review"] == "reject":
        return "rejected", [REJECTED_BY_REVIEWER, *reasons, *reviewed["flags"]]
    if reviewed["review"] is not None:
        return "kept", [*reasons, *reviewed["flags"]]
    if not failed:
        # Without this, a suite without a filter on `problem` would keep rows that have no answer.
        return ("kept", []) if reviewed["answer"] is not None else ("rejected", [NO_ANSWER])
    # A row is counted under its first reason, so reasons to reject come first.
    ordered = sorted(failed, key=lambda pair: pair[1] != "reject")
    reasons = list(dict.fromkeys(reason for reason, _ in ordered))
    return "rejected" if ordered[0][1] == "reject" else "review", reasons
