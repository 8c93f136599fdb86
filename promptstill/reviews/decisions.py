"""Human decisions. They are keyed by the hash of the input, so they survive every rebuild, and they override
teacher and filters.

`data/reviews/<task>.jsonl` is append-only; of several lines about an input, the last one counts:

    {"input_hash": ..., "id": optional id of the row, "decision": "accept" | "edit" | "reject" | "withdraw",
     "answer": the right one (accept and edit), "teacher_answer": the teacher's answer at that time,
     "reviewer": ..., "at": ISO 8601, "note": optional, "reasons": optional, why the row was shown,
     "status": optional, what teacher and filters alone made of the row,
     "blind": optional, true for a second look}

`withdraw` takes back what was decided before. A blind second look decides nothing: it is by a reviewer who
did not see the first decision, and it shows how far two people agree.

A changed redaction changes the hash of an input. The `id` then still finds the row.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypedDict

from pydantic import field_validator

from promptstill.answers.schema.compare import same
from promptstill.answers.spec import AnswerSpec
from promptstill.console.errors import UserError, check_each
from promptstill.core.files import JsonObject
from promptstill.core.settings import Settings
from promptstill.rows.identity import input_hash
from promptstill.rows.row import Answer, IngestedRow

# Why a person should look again at a row that has a review. The decision stays in force.
CONTRADICTED = "review_contradicted"
TEXT_CHANGED = "review_text_changed"
OTHER_ROW = "review_of_other_row"
FLAGS = (CONTRADICTED, TEXT_CHANGED, OTHER_ROW)
# The reason of a row that a person rejected.
REJECTED_BY_REVIEWER = "rejected_by_reviewer"


class Review(Settings):
    """One decision of one person about one input."""

    input_hash: str
    id: str | None = None
    decision: Literal["accept", "edit", "reject", "withdraw"]
    answer: Any = None
    teacher_answer: Any = None
    reviewer: str
    at: str
    note: str = ""
    reasons: tuple[str, ...] = ()
    status: Literal["kept", "rejected", "review"] | None = None
    blind: bool = False

    @field_validator("teacher_answer")
    @classmethod
    def _an_answer(cls, value: Any) -> Any:  # noqa: ANN401
        if isinstance(value, list | bool):
            raise ValueError("must be an answer, which is a text, a number or an object, or null")
        return value


def check_reviews(
    numbered: Iterable[tuple[int, JsonObject]], spec: AnswerSpec, path: Path
) -> dict[int, Review]:
    """The last decision about each input, by the number of its line; none if it was withdrawn. Raises
    UserError naming the lines of bad ones."""
    return in_force(all_reviews(numbered, spec, path))


def all_reviews(
    numbered: Iterable[tuple[int, JsonObject]], spec: AnswerSpec, path: Path
) -> dict[int, Review]:
    """All lines by their numbers. Raises UserError naming those of bad ones.

    A `teacher_answer` that is no answer by today's schema says nothing, so it becomes None.
    """
    lines: dict[int, Review] = {}

    def check(number: int, line: JsonObject) -> None:
        lines[number] = checked(line, spec, f"{path}:{number}")

    check_each(numbered, check)
    return lines


def in_force(lines: Mapping[int, Review]) -> dict[int, Review]:
    """The last decision about each input, by the number of its line; none if it was withdrawn."""
    last: dict[str, tuple[int, Review]] = {}
    for number, review in lines.items():
        if not review.blind:
            last.pop(review.input_hash, None)
            last[review.input_hash] = number, review
    return {number: review for number, review in last.values() if review.decision != "withdraw"}


def checked(line: JsonObject, spec: AnswerSpec, where: str) -> Review:
    """A line with its answers in canonical form. Raises UserError for a bad one."""
    review = Review.check(line, where)
    if review.decision in ("accept", "edit"):
        parsed = spec.of_value(review.answer) if review.answer is not None else None
        if parsed is None or parsed.answer is None:
            detail = "missing" if parsed is None else f"{parsed.problem} ({parsed.detail})"
            raise UserError(f"{where}: answer: {detail}; append a corrected line and remove this one")
        review = review.model_copy(update={"answer": parsed.answer})
    if review.teacher_answer is not None:
        known = spec.of_value(review.teacher_answer).answer
        review = review.model_copy(update={"teacher_answer": known})
    return review


@dataclass(frozen=True)
class Reviews:
    """The reviews of the rows at hand: by the hash of the input, and by id for rows whose text has changed.

    `other_row` has the hashes of reviews that name the id of another row than the one with their text.
    `unmatched` has the numbers of the lines that belong to no row.
    """

    by_hash: dict[str, Review] = field(default_factory=dict)
    by_id: dict[str, Review] = field(default_factory=dict)
    other_row: frozenset[str] = frozenset()
    unmatched: tuple[int, ...] = ()

    def of(self, row: IngestedRow) -> Review | None:
        """The decision about a row: the one about its text, or else the one with its id."""
        digest = input_hash(row["input"]) if self.by_hash or self.by_id else ""
        return self.by_hash.get(digest) or self.by_id.get(row["id"])


def match_reviews(reviews: dict[int, Review], rows: Iterable[IngestedRow]) -> Reviews:
    """Find the row of every review: the one with its text, or else the one with its id.

    A row has the ids of the repeats that ingest folded into it. A review that is found by its id gives way to
    one that is found by the text.
    """
    hashes = {review.input_hash for review in reviews.values()}
    ids = {review.id for review in reviews.values() if review.id is not None}
    present: set[str] = set()
    holders: dict[str, tuple[str, str]] = {}
    for row in rows if reviews else ():
        digest = input_hash(row["input"])
        if digest in hashes:
            present.add(digest)
        for name in (row["id"], *(repeat["id"] for repeat in row["repeats"])):
            if name in ids:
                holders[name] = row["id"], digest

    by_hash: dict[str, Review] = {}
    by_id: dict[str, Review] = {}
    other_row: set[str] = set()
    unmatched: list[int] = []
    for number, review in reviews.items():
        row_id, digest = holders.get(review.id or "", ("", ""))
        if review.input_hash in present:
            by_hash[review.input_hash] = review
            if row_id and digest != review.input_hash:
                other_row.add(review.input_hash)
        elif not row_id:
            unmatched.append(number)
        elif digest not in hashes:
            by_id[row_id] = review
    return Reviews(by_hash, by_id, frozenset(other_row), tuple(unmatched))


class Reviewed(TypedDict):
    """The outcome of a review for one row; None where the person changed nothing. `flags` are the reasons for
    a second look."""

    review: Literal["accept", "edit", "reject"] | None
    answer: Answer | None
    edited: bool
    flags: list[str]


def review_of(row: IngestedRow, answer: Answer | None, reviews: Reviews, spec: AnswerSpec) -> Reviewed:
    """What a person decided about a row to which the teacher answers `answer` today.

    The answer of the result is the person's, if there is one, or else the teacher's. The flag
    `review_contradicted` means that today's teacher says something else than the person decided and than the
    teacher said at the time of the review. This is new evidence; the person's answer stays in force. The flag
    `review_text_changed` means that only the id has found the row, and `review_of_other_row` that the id
    names another row.
    """
    digest = input_hash(row["input"]) if reviews.by_hash or reviews.by_id else ""
    by_text = reviews.by_hash.get(digest)
    review = reviews.of(row)
    if review is None:
        return {"review": None, "answer": answer, "edited": False, "flags": []}
    flags = [TEXT_CHANGED] if by_text is None else [OTHER_ROW] if digest in reviews.other_row else []
    if review.decision == "reject":
        return {"review": "reject", "answer": answer, "edited": False, "flags": flags}
    known = [review.answer] if review.teacher_answer is None else [review.answer, review.teacher_answer]
    if answer is not None and not any(same(answer, other, spec) for other in known):
        flags = [CONTRADICTED, *flags]
    return {
        "review": "accept" if review.decision == "accept" else "edit",
        "answer": review.answer,
        "edited": answer != review.answer,
        "flags": flags,
    }
