"""`still estimate`: the requests, cost and time of the next run of generate, before anything is sent."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import chain

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from promptstill.core.files import iter_rows
from promptstill.core.paths import out
from promptstill.rows.row import Input
from promptstill.teacher.budget import Tally, cost_of, usd, worst_case
from promptstill.teacher.lookup import R, Rows, resolved
from promptstill.teacher.open_batches import OpenBatches
from promptstill.teacher.questions import Inquiry, Request
from promptstill.teacher.record import Record
from promptstill.teacher.session import Session, open_session
from promptstill.teacher.settings import TeacherSettings
from stages.generate.params import GenerateParams
from still.stale import print_stale

# Used until known replies say how many tokens a prompt has: English text has about four bytes per token.
BYTES_PER_TOKEN = 4.0


@dataclass
class Estimate:
    """What is missing, in requests, tokens, USD and seconds; None if it is not known.

    `sent` requests are in open batches, which are waited for and not asked again. `most_requests` and
    `most_usd` are upper bounds: all samples disagree, and every allowed token is used.
    """

    rows: int = 0
    known: int = 0
    sent: int = 0
    requests: int = 0
    most_requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int | None = None
    usd: float | None = None
    most_usd: float | None = None
    seconds: float | None = None


@dataclass
class _Seen:
    """What known replies say about the replies to come."""

    tally: Tally = field(default_factory=Tally)
    prompt_bytes: int = 0
    timed: int = 0
    seconds: float = 0.0


def estimate(session: Session, rows: Rows[R]) -> Estimate:
    """Look up what is known, and estimate the rest."""
    settings = session.settings
    estimated, seen, sent_bytes, most = Estimate(), _Seen(), 0, 0
    batches = OpenBatches(session.journal)
    some_open = bool(batches.all())
    for inquiry in resolved(session, rows()):
        estimated.rows += 1
        wanted = inquiry.wanted()
        if not wanted:
            estimated.known += _asked(inquiry)
            for request in inquiry.samples():
                _look(request, inquiry.known[request.key], seen)
            continue
        later = _later(inquiry, wanted)
        sent = batches.holding(request.key for request in wanted) if some_open else {}
        new = [request for request in wanted if request.key not in sent]
        estimated.sent += len(wanted) - len(new)
        estimated.requests += len(new)
        estimated.known += _asked(inquiry) - len(wanted)
        estimated.most_requests += len(new) + later
        sent_bytes += sum(_bytes(request) for request in new)
        most += max(worst_case(request, settings) for request in wanted) * (len(new) + later)
    tally = seen.tally
    per_token = seen.prompt_bytes / tally.prompt_tokens if tally.prompt_tokens else BYTES_PER_TOKEN
    estimated.prompt_tokens = round(sent_bytes / per_token)
    if not estimated.requests:
        estimated.completion_tokens = 0
    elif tally.prompt_tokens:
        estimated.completion_tokens = round(tally.completion_tokens / tally.counted * estimated.requests)
    elif settings.sampling.max_tokens is not None:
        estimated.completion_tokens = settings.sampling.max_tokens * estimated.requests
    _price(estimated, most, settings)
    estimated.seconds = _seconds(estimated, seen, settings)
    return estimated


def _later(inquiry: Inquiry[R], wanted: list[Request]) -> int:
    """The most requests that the replies to `wanted` may lead to: further samples, and a grade for each."""
    if wanted[0].kind == "grade":
        return 0
    settings = inquiry.questions.settings
    return settings.most_samples - len(inquiry.samples()) + settings.most_samples * settings.grade


def _asked(inquiry: Inquiry[R]) -> int:
    """The requests about a row that the known replies determine; grades follow when all samples are known."""
    samples = inquiry.samples()
    complete = all(request.key in inquiry.known for request in samples)
    return len(samples) + (len(inquiry.grades()) if complete else 0)


def _look(request: Request, record: Record, seen: _Seen) -> None:
    before = seen.tally.counted
    seen.tally.add(record)
    if seen.tally.counted > before:
        seen.prompt_bytes += _bytes(request)
    if "seconds" in record:
        seen.timed += 1
        seen.seconds += record["seconds"]


def _bytes(request: Request) -> int:
    return len(request.body["messages"][0]["content"].encode())


def _price(estimated: Estimate, most: int, settings: TeacherSettings) -> None:
    if settings.price is None:
        return
    if estimated.completion_tokens is not None:
        tokens: Record = {
            "prompt_tokens": estimated.prompt_tokens,
            "completion_tokens": estimated.completion_tokens,
        }
        estimated.usd = usd(cost_of(tokens, settings) or 0)
    if settings.sampling.max_tokens is not None:
        estimated.most_usd = usd(most)


def _seconds(estimated: Estimate, seen: _Seen, settings: TeacherSettings) -> float | None:
    """The time that the rate limits and the servers' pace allow, whichever is longer."""
    limits, servers = settings.limits, max(1, len(settings.base_urls))
    bounds = []
    if limits.requests_per_minute is not None:
        bounds.append(60 * estimated.requests / limits.requests_per_minute / servers)
    if limits.tokens_per_minute is not None:
        bounds.append(60 * estimated.prompt_tokens / limits.tokens_per_minute / servers)
    if seen.timed:
        bounds.append(estimated.requests * seen.seconds / seen.timed / limits.concurrency / servers)
    return max(bounds, default=None)


def print_estimate(task: str) -> None:
    """Print one table, and what has changed since ingest ran. Raises UserError if it has not run."""
    paths = [out("ingest", task, name) for name in ("rows", "golden")]
    with open_session(task, GenerateParams.load(task)) as session:
        estimated = estimate(session, lambda: chain(*(iter_rows(path, Input, "ingest") for path in paths)))
    table = Table(box=SIMPLE_HEAD, title=f"{task}: what generate would ask", title_justify="left")
    table.add_column("")
    table.add_column("expected", justify="right")
    table.add_column("at most", justify="right")
    table.add_row("rows and golden inputs", str(estimated.rows), "")
    table.add_row("answers known (recorded or journaled)", str(estimated.known), "")
    if estimated.sent:
        table.add_row("requests in open batches, not asked again", str(estimated.sent), "")
    table.add_row("requests", str(estimated.requests), str(estimated.most_requests))
    table.add_row("prompt tokens", str(estimated.prompt_tokens), "")
    table.add_row("completion tokens", _cell(estimated.completion_tokens), "")
    table.add_row("USD", _cell(estimated.usd), _cell(estimated.most_usd))
    table.add_row("time", "unknown" if estimated.seconds is None else f"{estimated.seconds / 60:.1f} min", "")
    Console().print(table)
    print_stale(task, f"run `dvc repro ingest@{task}` and estimate again")
    if session.settings.price is None:
        print(f"no price in params.yaml; set `{task}.generate.price` to see cost")


def _cell(value: float | None) -> str:
    return "unknown" if value is None else str(value)
