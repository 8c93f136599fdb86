"""What a form decides: one row, several at once, or again what was decided before."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from promptstill.console.errors import UserError
from promptstill.core.files import canonical_hash
from promptstill.reviews.decisions import Review
from promptstill.reviews.queue import QueueEntry
from promptstill.rows.row import Answer
from still.review.decisions import now, status_of
from still.review.form import answer_of, is_changed, with_label
from still.review.index import Changed, ReviewIndex
from still.review.pages import SECOND, Pages, shown_answer
from still.review.reviewer import Reviewer

GONE = "no such row in the queue; reload the page"


class Typed(dict[str, str]):
    """A form: the last value of each name, and all values of names that are repeated."""

    def __init__(self, pairs: Sequence[tuple[str, str]]) -> None:
        super().__init__(pairs)
        self._pairs = pairs

    def all(self, name: str) -> list[str]:
        """All values of a name, in their order."""
        return [value for given, value in self._pairs if given == name]

    def number(self, name: str) -> int:
        """A whole number. Raises UserError for anything else."""
        return whole(self.get(name, "0"), name)


def whole(text: object, name: str) -> int:
    """A whole number, 0 or more. Raises UserError for anything else."""
    if not str(text).isdecimal() or len(str(text)) > 15:
        raise UserError(f"{name}: {str(text)[:40]!r} is not a number; reload the page")
    return int(str(text))


class Deciding:
    """Forms in; decisions appended; status and HTML out."""

    def __init__(self, index: ReviewIndex, pages: Pages) -> None:
        self._index, self._pages, self._spec = index, pages, index.spec

    def decide(self, reviewer: Reviewer, form: Typed) -> tuple[int, str]:
        """Decide one row, and show the next one; or show it again, with what is wrong."""
        ranked = self._index.entry(form.get("hash", ""))
        if ranked is None:
            raise UserError(GONE)
        rank, entry = ranked
        blind = form.get("mode") == SECOND
        try:
            review = self._review(entry, form, reviewer, blind)
            lines = self._append([review], {review.input_hash: form.number("seen")}, reviewer)
        except Changed as changed:
            text = f"{changed.by} has decided this row in the meantime. Look again: nothing was saved."
            # The fields show the new answer, or saving them would bring back the old one.
            note = {"note": form.get("note", "")}
            return 409, self._pages.row(rank, entry, reviewer, form, message=text, typed=note)
        except UserError as error:
            return 422, self._pages.row(rank, entry, reviewer, form, message=str(error), typed=form)
        action = None if blind else {"kind": "new", "rows": lines}
        return 200, self._pages.next_row(reviewer, {**form, "after": str(rank)}, action)

    def again(self, reviewer: Reviewer, form: Typed) -> tuple[int, str]:
        """Undo or redo: append lines of before once more, or take back, and show the first row of them."""
        reviews, seen = list[Review](), dict[str, int]()
        for digest, line, restored in _actions(form.get("actions", "[]")):
            ranked = self._index.entry(digest)
            if ranked is None:
                raise UserError("a row is no longer in the queue; nothing was changed")
            earlier = dict(self._index.history(digest)).get(restored)
            if restored and earlier is None:
                raise UserError("what was decided before is not in the file any more; nothing was changed")
            reviews.append(earlier or self._made(ranked[1], reviewer, "withdraw", None, "", blind=False))
            seen[digest] = line
        if not reviews:
            raise UserError(GONE)
        try:
            lines = self._append(reviews, seen, reviewer)
        except Changed as changed:
            raise UserError(
                f"{changed.by} has decided one of these rows since; nothing was changed"
            ) from None
        ranked = self._index.entry(reviews[0].input_hash)
        assert ranked is not None
        kind = "redo" if form.get("kind") == "redo" else "undo"
        return 200, self._pages.row(*ranked, reviewer, form, action={"kind": kind, "rows": lines})

    def preview(self, reviewer: Reviewer, form: Typed) -> tuple[int, str]:
        """What a decision about several rows would do."""
        reviews, refused, seen = self._several(reviewer, form)
        return 200, self._pages.preview(reviews, refused, seen, form)

    def bulk(self, reviewer: Reviewer, form: Typed) -> tuple[int, str]:
        """Decide several rows as one act, all or none."""
        reviews, refused, seen = self._several(reviewer, form)
        if refused:
            text = "; ".join(f"{name}: {problem}" for name, problem in refused)
            return 409, self._pages.table(reviewer, form, message=text)
        try:
            lines = self._append(reviews, seen, reviewer)
        except Changed as changed:
            text = f"{changed.by} has decided one of these rows in the meantime; nothing was saved"
            return 409, self._pages.table(reviewer, form, message=text)
        message = f"{len(reviews)} rows decided; u takes it back"
        return 200, self._pages.table(reviewer, form, message=message, action={"kind": "new", "rows": lines})

    def _several(
        self, reviewer: Reviewer, form: Typed
    ) -> tuple[list[Review], list[tuple[str, str]], dict[str, int]]:
        """The decisions about the chosen rows, the ids of those that it cannot be made about with the cause,
        and the last line about each that the reviewer has seen."""
        reviews, refused, seen = list[Review](), list[tuple[str, str]](), dict[str, int]()
        if not form.all("row"):
            raise UserError("no row is chosen; choose some")
        for chosen in dict.fromkeys(form.all("row")):
            digest, line, shown = [*chosen.split(" "), "", ""][:3]
            ranked = self._index.entry(digest)
            if ranked is None:
                raise UserError(GONE)
            try:
                reviews.append(self._review(ranked[1], Typed([*form.items(), ("shown", shown)]), reviewer))
                seen[digest] = whole(line, "row")
            except Changed as changed:
                refused.append((ranked[1]["id"], f"{changed.by} has decided it in the meantime"))
            except UserError as error:
                refused.append((ranked[1]["id"], str(error)))
        return reviews, refused, seen

    def _review(self, entry: QueueEntry, form: Typed, reviewer: Reviewer, blind: bool = False) -> Review:
        """The decision of a form. Raises UserError for an answer that is none, and Changed if another answer
        was shown."""
        act, note = form.get("act", ""), form.get("note", "")
        _, in_force = self._index.in_force(entry["input_hash"])
        base = entry["teacher_answer"] if blind else shown_answer(entry, in_force)
        if act == "reject":
            return self._made(entry, reviewer, "reject", None, note, blind)
        if form.get("shown") != canonical_hash(base):
            raise Changed(entry["input_hash"], "somebody" if in_force is None else in_force.reviewer)
        if act == "accept" and base is None:
            raise UserError("not saved: there is no answer to approve; fill in the form, or reject the row")
        if act in ("accept", "label") and is_changed(form, base, self._spec):
            raise UserError("not saved: the form has another answer; save that, or reload the page")
        answer = base
        if act == "label":
            answer = with_label(base, form.get("choice", ""), self._spec)
        elif act == "edit":
            answer = answer_of(form, base, self._spec)
        elif act != "accept":
            raise UserError(f"not saved: {act[:20]!r} is not a decision; reload the page")
        decision = "accept" if answer == entry["teacher_answer"] else "edit"
        return self._made(entry, reviewer, decision, answer, note, blind)

    def _made(
        self,
        entry: QueueEntry,
        reviewer: Reviewer,
        decision: str,
        answer: Answer | None,
        note: str,
        blind: bool,
    ) -> Review:
        content = {
            "input_hash": entry["input_hash"],
            "id": entry["id"],
            "decision": decision,
            "answer": answer,
            "teacher_answer": entry["teacher_answer"],
            "reviewer": reviewer.name,
            "at": now(),
            "note": note.strip(),
            "reasons": entry["reasons"],
            "status": status_of(entry, [review for _, review in self._index.history(entry["input_hash"])]),
            "blind": blind,
        }
        return Review.check(content, "the decision")

    def _append(
        self, reviews: Sequence[Review], seen: Mapping[str, int], reviewer: Reviewer
    ) -> list[dict[str, Any]]:
        """Append decisions. For each row: its last line now, and the lines that were in force before and are
        now, 0 for none."""
        before = {}
        for review in reviews:
            line, in_force = self._index.in_force(review.input_hash)
            before[review.input_hash] = 0 if in_force is None else line
        lines = self._index.decide(reviews, seen, reviewer)
        return [
            {
                "hash": review.input_hash,
                "line": lines[review.input_hash],
                "before": before[review.input_hash],
                "after": 0 if review.decision == "withdraw" else lines[review.input_hash],
            }
            for review in reviews
        ]


def _actions(text: str) -> list[tuple[str, int, int]]:
    """Hash, last seen line and line to restore of each row. Raises UserError for anything else."""
    try:
        return [
            (str(row["hash"]), whole(row["line"], "line"), whole(row["restore"], "restore"))
            for row in json.loads(text)
        ]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise UserError("what is to be undone cannot be read; reload the page") from None
