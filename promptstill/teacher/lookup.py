"""Rows in, rows with the replies that are known about them out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

from promptstill.rows.row import Input
from promptstill.teacher.questions import Inquiry
from promptstill.teacher.record import Record
from promptstill.teacher.session import Session

# Rows whose replies are looked up together.
CHUNK = 256

R = TypeVar("R", bound=Input)
# Starts a new iteration over the rows, so that no list of them is held in memory.
Rows = Callable[[], Iterable[R]]


@dataclass(frozen=True)
class Missing:
    """What a run has to ask at least; later samples and grades depend on the replies.

    Of `rows` in all, `missing_rows` are incomplete and need `requests`. `known` replies exist, `recorded` of
    them in the file of recorded replies.
    """

    rows: int
    missing_rows: int
    requests: int
    known: int
    recorded: int


def resolved(session: Session, rows: Iterable[R]) -> Iterator[Inquiry[R]]:
    """Each row with what is known about it, in order."""
    source = iter(rows)
    while chunk := list(islice(source, CHUNK)):
        replies: dict[str, Record] = {}
        inquiries = [session.questions.about(row, replies) for row in chunk]
        wanted = [request for inquiry in inquiries for request in inquiry.wanted()]
        # Replies decide what else is wanted, so look until nothing new is found.
        while new := session.known.get(request.key for request in wanted):
            replies |= new
            wanted = [request for inquiry in inquiries for request in inquiry.wanted()]
        yield from inquiries


def count_missing(session: Session, rows: Rows[R]) -> Missing:
    """Look up every row."""
    count = missing = requests = 0
    known = session.known
    before = known.from_recorded, known.from_journal
    for inquiry in resolved(session, rows()):
        wanted = inquiry.wanted()
        count += 1
        missing += bool(wanted)
        requests += len(wanted)
    recorded, journaled = known.from_recorded - before[0], known.from_journal - before[1]
    return Missing(count, missing, requests, recorded + journaled, recorded)
