"""Rows that may come into the queue: all reasons for each, how risky it is, and its entry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from promptstill.answers.consensus import decide
from promptstill.answers.spec import AnswerSpec
from promptstill.reviews.decisions import Review
from promptstill.reviews.queue import Conflict, QueueEntry, Similar, Suspicion, replies
from promptstill.rows.identity import input_hash
from promptstill.rows.row import ValidatedRow
from stages.review.ranking import Candidate
from stages.review.reasons import CHANCE, CONFLICT, SECOND, SUSPECTED, Risks, Usual


@dataclass(frozen=True)
class Finding:
    """Why a row that nobody has decided, or whose decision needs another look, may be wrong."""

    id: str
    label: str | None
    slices: Sequence[str]
    reasons: Sequence[str]
    conflict: Conflict | None = None
    suspicion: Suspicion | None = None

    @classmethod
    def of(
        cls, row: ValidatedRow, usual: Usual, conflict: Conflict | None, suspicion: Suspicion | None
    ) -> Self | None:
        """The reasons for a row; None if it needs no look, not even by chance."""
        reasons = usual.reasons(row)
        if row["review"] is not None:
            conflict = suspicion = None
        if not reasons and (row["review"] is not None or row["status"] == "rejected"):
            return None
        others = [CONFLICT] * (conflict is not None) + [SUSPECTED] * (suspicion is not None)
        return cls(row["id"], row["label"], row["slices"], [*reasons, *others], conflict, suspicion)

    @classmethod
    def for_second_look(cls, row: ValidatedRow) -> Self:
        """A decided row that another person should look at too."""
        return cls(row["id"], row["label"], row["slices"], [SECOND])


def candidate(finding: Finding, risks: Risks, turn: int | None) -> Candidate:
    """The row for the ranking."""
    return Candidate(finding.id, risks.of(finding.reasons), problem_of(finding, risks), turn)


def problem_of(finding: Finding, risks: Risks) -> tuple[str, ...]:
    """What the row has in common with rows that would teach a reviewer the same: the likeliest mistake about
    the same label in the same slices, the same suspicion, or conflicts that are connected."""
    if not finding.reasons:
        return CHANCE, str(finding.label), *finding.slices
    first = by_risk(finding.reasons, risks)[0]
    if first == CONFLICT and finding.conflict is not None:
        return CONFLICT, finding.conflict["group"]
    if first == SUSPECTED and finding.suspicion is not None:
        return SUSPECTED, *(finding.suspicion[name] for name in ("key", "given", "likely"))
    return first, str(finding.label), *finding.slices


def by_risk(reasons: Sequence[str], risks: Risks) -> list[str]:
    """The reasons, the likeliest mistake first."""
    return sorted(reasons, key=lambda reason: -risks.of_reason(reason))


def entry(
    row: ValidatedRow,
    finding: Finding,
    risks: Risks,
    by_chance: bool,
    review: Review | None,
    similar: list[Similar],
    spec: AnswerSpec,
) -> QueueEntry:
    """The entry of a row. `review` is the decision in force."""
    reasons = [*finding.reasons, *([CHANCE] if by_chance else [])]
    made: QueueEntry = {
        "id": row["id"],
        "input_hash": input_hash(row["input"]),
        "reasons": by_risk(reasons, risks),
        "risk": risks.of(reasons),
        "problem": list(problem_of(finding, risks)),
        "input": row["input"],
        "source": row["source"],
        "slices": row["slices"],
        "status": row["status"],
        "label": row["label"],
        "answer": row["answer"],
        "teacher_answer": row["answer"] if review is None else decide(row["samples"], spec)["answer"],
        "samples": replies(row),
        "similar": similar,
    }
    if finding.suspicion is not None:
        made["suspicion"] = finding.suspicion
    if review is not None and SECOND not in finding.reasons:
        made["decided_at"] = review.at
    return made
