"""The queue as a file for other tools, and their decisions back: CSV, Label Studio and Argilla.

Every format carries `input_hash` and `id`, so a decision reaches its row whatever a tool did with the order.
It also carries the answer that was to be judged and the decision that was in force, so nothing is decided
about what nobody saw, and no later decision is overruled.
"""

from __future__ import annotations

from pathlib import Path

from promptstill.answers.spec import AnswerSpec
from promptstill.console.errors import UserError, check_each, did_you_mean
from promptstill.core.files import iter_rows
from promptstill.core.paths import out
from promptstill.core.settings import require_task
from promptstill.reviews.decisions import Review, checked
from promptstill.reviews.queue import QueueEntry
from promptstill.rows.identity import input_hash
from promptstill.rows.row import ValidatedRow
from stages.review.candidates import Finding
from stages.review.candidates import entry as entry_of_row
from stages.review.reasons import Risks
from still.review.decisions import now, status_of
from still.review.filters import ALL, Filters
from still.review.formats import FORMATS, Cells
from still.review.index import Changed, ReviewIndex
from still.review.lists import EVERY_ROW, listed
from still.review.pages import shown_answer
from still.review.reviewer import Reviewer


def export_queue(task: str, target: Path, form: str) -> None:
    """Write the queue. Raises UserError for an unknown format."""
    index = _index(task, form)
    entries, _ = listed(index, Filters(show=ALL), EVERY_ROW)
    rows = [_cells(entry, index) for entry in entries]
    FORMATS[form].write(target, rows)
    print(f"{target}: {len(rows)} rows")


def import_decisions(task: str, source: Path, form: str, reviewer: str) -> None:
    """Append the decisions of a file, all or none. Raises UserError with a line for each that is wrong.

    A row may have left the queue since the export, as decided rows do.
    """
    index = _index(task, form)
    read = list(FORMATS[form].read(source))
    entries = _entries(index, {cells["input_hash"] for _, cells in read})
    new: dict[str, Review] = {}
    seen: dict[str, int] = {}
    known = 0

    def check(number: int, cells: Cells) -> None:
        nonlocal known
        where = f"{source}:{number}"
        if not cells["decision"].strip():
            if cells["corrected_answer"].strip() or cells["note"].strip():
                raise UserError(f"{where}: no decision beside the answer or the note; fill it in")
            return
        entry = entries.get(cells["input_hash"])
        if entry is None:
            raise UserError(f"{where}: no row has this input_hash; leave the row out")
        digest = entry["input_hash"]
        if digest in new:
            raise UserError(f"{where}: a second decision about the row {entry['id']}; keep one")
        review = _review(cells, entry, index, where)
        seen[digest], before = index.in_force(digest)
        if before is not None and _content(review) == _content(before):
            known += 1
            return
        now_there = _cells(entry, index)
        for name in ("answer", "decided_at"):
            if cells[name].strip() != now_there[name].strip():
                raise UserError(f"{where}: the row has another {name} since the export; export it again")
        # A changed decision beside an old name is that of whoever changed it.
        by = "" if before is not None and review.reviewer == before.reviewer else review.reviewer
        if not (by or reviewer):
            raise UserError(f"{where}: reviewer: who decides this now? Fill it in, or give --reviewer")
        new[digest] = review.model_copy(update={"reviewer": by or reviewer})

    check_each(read, check)
    if new:
        try:
            index.decide(list(new.values()), seen, Reviewer(reviewer))
        except Changed as changed:
            raise UserError(
                f"{source}: {changed.by} decided the row {new[changed.digest].id} in the meantime; nothing "
                "was appended; export the queue again"
            ) from None
    print(f"{index.reviews}: {len(new)} decisions appended; {known} were there already")


def _entries(index: ReviewIndex, digests: set[str]) -> dict[str, QueueEntry]:
    """The rows with these hashes: those of the queue, and others as validate wrote them."""
    entries = {digest: ranked[1] for digest in digests if (ranked := index.entry(digest)) is not None}
    others, risks = digests - entries.keys(), Risks([], index.spec)
    for row in iter_rows(out("validate", index.task), ValidatedRow, "validate") if others else ():
        if (digest := input_hash(row["input"])) in others:
            _, review = index.in_force(digest)
            finding = Finding(row["id"], row["label"], row["slices"], [])
            entries[digest] = entry_of_row(row, finding, risks, False, review, [], index.spec)
    return entries


def _content(review: Review) -> tuple[object, ...]:
    return review.decision, review.answer, review.note


def _index(task: str, form: str) -> ReviewIndex:
    require_task(task)
    if form not in FORMATS:
        raise UserError(f"--format {form}: must be one of {', '.join(FORMATS)}{did_you_mean(form, FORMATS)}")
    return ReviewIndex(task, AnswerSpec.load(task))


def _cells(entry: QueueEntry, index: ReviewIndex) -> dict[str, str]:
    _, review = index.in_force(entry["input_hash"])
    answer = shown_answer(entry, None if review is None or review.decision == "edit" else review)
    made = {
        "input_hash": entry["input_hash"],
        "id": entry["id"],
        "input": entry["input"],
        "reasons": ", ".join(entry["reasons"]),
        "slices": ", ".join(entry["slices"]),
        "samples": "\n".join(reply["response"] for reply in entry["samples"]),
        "answer": "" if answer is None else index.spec.text(answer),
        "decided_at": "",
        "decision": "",
        "corrected_answer": "",
        "reviewer": "",
        "note": "",
    }
    if review is not None:
        made |= {
            "decided_at": review.at,
            "decision": review.decision,
            "reviewer": review.reviewer,
            "note": review.note,
        }
        if review.decision == "edit":
            made["corrected_answer"] = index.spec.text(review.answer)
    return made


def _review(cells: Cells, entry: QueueEntry, index: ReviewIndex, where: str) -> Review:
    """The decision of a row. Raises UserError for one that cannot be taken over."""
    decision, corrected = cells["decision"].strip(), cells["corrected_answer"].strip()
    if decision not in ("accept", "edit", "reject"):
        raise UserError(f"{where}: decision: {decision[:40]!r}; must be accept, edit or reject")
    answer = cells["answer"].strip()
    if decision == "edit":
        answer = corrected
    elif corrected and corrected != answer:
        raise UserError(
            f"{where}: a corrected answer beside {decision}; make the decision edit, or remove it"
        )
    if decision != "reject":
        name = "corrected_answer" if decision == "edit" else "answer"
        if not answer:
            raise UserError(f"{where}: {name}: missing; make the decision edit and fill in corrected_answer")
        parsed = index.spec.of_value(answer)
        if parsed.answer is None:
            raise UserError(f"{where}: {name}: {parsed.problem} ({parsed.detail}); correct it")
    line = {
        "input_hash": entry["input_hash"],
        "id": entry["id"],
        "decision": decision,
        "answer": None if decision == "reject" else answer,
        "teacher_answer": entry["teacher_answer"],
        "reviewer": cells["reviewer"].strip(),
        "at": now(),
        "note": cells["note"].strip(),
        "reasons": list(entry["reasons"]),
        "status": status_of(entry, [review for _, review in index.history(entry["input_hash"])]),
    }
    return checked(line, index.spec, where)
