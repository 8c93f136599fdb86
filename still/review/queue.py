"""The queue that the stage ranked, with what only the last evaluation knows: where the student is sure of
another answer than the one that was kept."""

from __future__ import annotations

import json
from collections.abc import Iterator

from promptstill.answers.prediction import Prediction
from promptstill.answers.schema.compare import same
from promptstill.answers.spec import AnswerSpec
from promptstill.console.errors import UserError
from promptstill.core.files import canonical_hash, file_hash, iter_rows, read_lines
from promptstill.core.paths import out, reviews_file
from promptstill.reviews.decisions import check_reviews
from promptstill.reviews.queue import QueueEntry
from promptstill.rows.row import ValidatedRow
from stages.review.candidates import Finding, by_risk, entry
from stages.review.params import ReviewParams
from stages.review.ranking import Candidate, ranked
from stages.review.reasons import CHANCE, DISAGREES, Risks

# From this confidence on, the student is sure.
SURE = 0.9


def queue_hash(task: str) -> str:
    """The hash of all that the queue is made of. Raises UserError if there is no queue."""
    path = out("review", task, "queue")
    if not path.exists():
        raise UserError(f"{path}: no such file; run `dvc repro review@{task}`")
    predictions = out("eval", task)
    return canonical_hash([file_hash(path), file_hash(predictions) if predictions.exists() else ""])


def queue_of(task: str, spec: AnswerSpec) -> list[QueueEntry]:
    """The entries in their order, ranked again with the rows about which the student disagrees."""
    entries = list(iter_rows(out("review", task, "queue"), QueueEntry, "review"))
    disagreeing = set(_disagreeing(task, spec))
    if not disagreeing:
        return entries
    path = reviews_file(task)
    risks = Risks(check_reviews(read_lines(path), spec, path).values(), spec)
    known = {of_row["id"] for of_row in entries}
    entries = [_with_reason(of_row, risks) if of_row["id"] in disagreeing else of_row for of_row in entries]
    new = [
        entry(row, Finding(row["id"], row["label"], row["slices"], [DISAGREES]), risks, False, None, [], spec)
        for row in iter_rows(out("validate", task), ValidatedRow, "validate")
        if row["id"] in disagreeing - known and row["review"] is None
    ]
    by_id = {of_row["id"]: of_row for of_row in [*entries, *new]}
    turns = {of_row["id"]: turn for turn, of_row in enumerate(entries) if CHANCE in of_row["reasons"]}
    candidates = [
        Candidate(name, _risk(of_row, risks), tuple(of_row["problem"]), turns.get(name))
        for name, of_row in by_id.items()
    ]
    places = ranked(candidates, len(candidates), ReviewParams.load(task).random)
    return [by_id[candidate.id] for candidate, _ in places]


def _disagreeing(task: str, spec: AnswerSpec) -> Iterator[str]:
    """The ids of the test rows whose answer is not the one that the student is sure of."""
    if not out("eval", task).exists():
        return
    for case in iter_rows(out("eval", task), Prediction, "eval"):
        student, kept = json.loads(case["student"]), json.loads(case["answer"])
        sure = case["set"] == "test" and student is not None and case["student_confidence"] >= SURE
        if sure and not same(student, kept, spec):
            yield case["id"]


def _with_reason(row: QueueEntry, risks: Risks) -> QueueEntry:
    reasons = by_risk([*row["reasons"], DISAGREES], risks)
    problem = row["problem"] if reasons[0] != DISAGREES else [DISAGREES, str(row["label"]), *row["slices"]]
    return {**row, "reasons": reasons, "risk": risks.of(reasons), "problem": problem}


def _risk(row: QueueEntry, risks: Risks) -> float:
    """The risk of a row; one that is there by chance alone has none, and waits for its turn."""
    return risks.of([reason for reason in row["reasons"] if reason != CHANCE])
