"""What the addresses show: the row to decide, the table of rows, what a bulk decision would do, and the rows
that reviewers disagree about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from promptstill.core.files import canonical_hash
from promptstill.reviews.decisions import Review
from promptstill.reviews.queue import QueueEntry
from promptstill.rows.row import Answer
from promptstill.rows.slices import Slice
from stages.report.passages import shown
from stages.report.render import render_html
from still.review.agreement import Agreement
from still.review.filters import Filters
from still.review.form import NOTHING, fields_of, labels_of
from still.review.index import ReviewIndex, in_force_of
from still.review.lists import alike, facets, listed, progress, second_looks
from still.review.reviewer import Reviewer
from still.review.shown import LONG, rules_of, samples_of, visible, why

TEMPLATES = Path(__file__).parent / "templates"
SECOND = "second"
# Rows of a table.
MOST_ROWS = 200
# What an address or a form says, by name.
Given = Mapping[str, str]


class Pages:
    """HTML of a task's queue."""

    def __init__(self, index: ReviewIndex, slices: Sequence[Slice]) -> None:
        self._index, self._slices, self._spec = index, slices, index.spec
        self._labels = labels_of(index.spec)

    def main(self, reviewer: Reviewer, given: Given) -> str:
        """The whole page around a row: the one that the address names, or the next one."""
        named = given.get("row")
        row = self.named(named, reviewer, given) if named else self.next_row(reviewer, given)
        return self._page("main.html", reviewer, given, row=row)

    def named(self, digest: str, reviewer: Reviewer, given: Given) -> str:
        """The row with a hash."""
        ranked = self._index.entry(digest)
        if ranked is None:
            return self._html("gone.html", filters=Filters.of(given))
        self._index.hold(digest, reviewer)
        return self.row(*ranked, reviewer, given)

    def next_row(self, reviewer: Reviewer, given: Given, action: Mapping[str, Any] | None = None) -> str:
        """The next row that fits the filters, after the rank `after`, or before it with `back`. `action` is
        the act before, which the browser remembers for undo."""
        after = given.get("after", "")
        start = int(after) if after.isdecimal() and len(after) < 15 else -1
        if given.get("mode") == SECOND:
            ranked = self._index.second_look(reviewer, start) or self._index.second_look(reviewer)
        else:
            ranked = self._index.take(Filters.of(given), reviewer, start, back=bool(given.get("back")))
        if ranked is not None:
            return self.row(*ranked, reviewer, given, action=action)
        if given.get("back") and (first := self._index.entry_at(start)) is not None:
            return self.row(*first, reviewer, given, message="This is the first row.", action=action)
        return self._html(
            "done.html",
            action=action,
            progress=progress(self._index, reviewer.name),
            filters=Filters.of(given),
        )

    def row(
        self,
        rank: int,
        entry: QueueEntry,
        reviewer: Reviewer,
        given: Given,
        message: str = "",
        typed: Given | None = None,
        action: Mapping[str, Any] | None = None,
    ) -> str:
        """A row with all that a decision needs. `typed` is what a refused form had in its fields."""
        blind = given.get("mode") == SECOND
        history = self._index.history(entry["input_hash"])
        line, in_force = in_force_of(history)
        answer = entry["teacher_answer"] if blind else shown_answer(entry, in_force)
        keys, samples = samples_of(entry["samples"], self._spec)
        answers = {
            "the answer": answer,
            **{f"sample {i}": of.answer for i, of in enumerate(samples, start=1)},
        }
        typed = typed or {}
        fields = [
            (field, typed.get(f"field:{field.key}", field.value)) for field in fields_of(answer, self._spec)
        ]
        return self._html(
            "row.html",
            rank=rank,
            entry=entry,
            blind=blind,
            message=message,
            note=typed.get("note", ""),
            editing="act" in typed,
            input=shown(entry["input"], answers, self._spec),
            long=LONG,
            keys=keys,
            samples=samples,
            reasons=why(entry["reasons"], blind),
            rules=rules_of(self._index.task, entry["slices"], self._slices),
            answer=None if answer is None else self._spec.text(answer),
            shown=canonical_hash(answer),
            labels=list(enumerate(self._labels, start=1)),
            label=None if answer is None else self._spec.label(answer),
            fields=fields,
            nothing=NOTHING,
            seen=line,
            history=[] if blind else [(review, self._in_words(review)) for _, review in history],
            similar=[(of, *self._decided(of["input_hash"], blind)) for of in entry["similar"]],
            alike=0 if blind else alike(self._index, entry["input_hash"]),
            filters=Filters.of(given),
            progress=progress(self._index, reviewer.name),
            action=action,
        )

    def table(
        self,
        reviewer: Reviewer,
        given: Given,
        message: str = "",
        action: Mapping[str, Any] | None = None,
    ) -> str:
        """Rows that fit the filters, or that are alike one of them, to decide several at once."""
        like = given.get("alike", "")
        entries, count = listed(self._index, Filters.of(given), MOST_ROWS, like)
        rows = []
        for entry in entries:
            line, in_force = self._index.in_force(entry["input_hash"])
            answer = shown_answer(entry, in_force)
            text = "" if answer is None else self._spec.text(answer)
            rows.append((entry, f"{entry['input_hash']} {line} {canonical_hash(answer)}", text))
        return self._page(
            "table.html",
            reviewer,
            given,
            alike=like,
            rows=rows,
            count=count,
            labels=self._labels,
            message=message,
            action=action,
        )

    def preview(
        self,
        reviews: Sequence[Review],
        refused: Sequence[tuple[str, str]],
        seen: Mapping[str, int],
        form: Any,  # noqa: ANN401
    ) -> str:
        """What a decision about several rows would append."""
        names = ("act", "choice", "note", "alike", "show", "reason", "slice", "label", "reviewer", "text")
        chosen = {row.split(" ")[0]: row for row in form.all("row")}
        return self._html(
            "bulk.html",
            reviews=[(review, self._in_words(review)) for review in reviews],
            refused=refused,
            kept=[(name, form.get(name, "")) for name in names],
            rows=[chosen[digest] for digest in seen],
        )

    def settle(self, reviewer: Reviewer, given: Given) -> str:
        """How far reviewers agree who looked at the same rows, and the rows about which they do not."""
        agreement = Agreement.of(second_looks(self._index), self._spec)
        pairs = [(*pair, *(self._in_words(review) for review in pair)) for pair in agreement.open]
        return self._page("settle.html", reviewer, given, agreement=agreement, pairs=pairs)

    def name(self) -> str:
        """The question for a name."""
        return self._html("name.html")

    def _decided(self, digest: str, blind: bool) -> tuple[Review | None, str]:
        """What is decided about a similar row, and in words; nothing for a blind look."""
        review = None if blind else self._index.in_force(digest)[1]
        return review, "" if review is None else self._in_words(review)

    def _in_words(self, review: Review) -> str:
        """A decision in a few words."""
        words = {"accept": "approved", "edit": "corrected to", "reject": "rejected", "withdraw": "taken back"}
        answer = f" {self._spec.text(review.answer)}" if review.decision in ("accept", "edit") else ""
        return words[review.decision] + answer

    def _page(self, template: str, reviewer: Reviewer, given: Given, **values: Any) -> str:  # noqa: ANN401
        return self._html(
            template,
            reviewer=reviewer.name,
            filters=Filters.of(given),
            facets=facets(self._index),
            blind=given.get("mode") == SECOND,
            **values,
        )

    def _html(self, template: str, **values: Any) -> str:  # noqa: ANN401
        return render_html(template, TEMPLATES, task=self._index.task, visible=visible, **values)


def shown_answer(entry: QueueEntry, in_force: Review | None) -> Answer | None:
    """The answer that a page shows: the one that was decided, or else the row's."""
    if in_force is None or in_force.decision == "reject":
        return entry["answer"]
    answer: Answer = in_force.answer
    return answer
