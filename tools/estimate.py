"""`still estimate`: what the next run of generate would ask, cost and take, before anything is sent."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import chain

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from stages.generate.budget import Tally, cost_of, usd, worst_case
from stages.generate.collect import Rows, resolved
from stages.generate.params import GenerateParams
from stages.generate.questions import Questions, Record, Request
from stages.generate.recorded import Answers
from stages.shared.files import iter_rows
from stages.shared.paths import journal_file, out, recorded_file

# Tokens are counted where answers are known; until then English text has about four bytes a token.
BYTES_PER_TOKEN = 4.0


@dataclass
class Estimate:
    """What is missing, in requests, tokens, USD and seconds; None where nothing tells.

    `most_requests` and `most_usd` are bounds: every row disagrees, every token allowed is used.
    """

    rows: int = 0
    known: int = 0
    requests: int = 0
    most_requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int | None = None
    usd: float | None = None
    most_usd: float | None = None
    seconds: float | None = None


@dataclass
class _Seen:
    """What known answers tell about those to come."""

    tally: Tally = field(default_factory=Tally)
    prompt_bytes: int = 0
    timed: int = 0
    seconds: float = 0.0


def estimate(rows: Rows, questions: Questions, answers: Answers) -> Estimate:
    """Look up what is known and work out the rest."""
    params = questions.params
    found, seen, sent_bytes, most = Estimate(), _Seen(), 0, 0
    for inquiry in resolved(rows(), questions, answers):
        found.rows += 1
        wanted = inquiry.wanted()
        if not wanted:
            samples = inquiry.samples()
            found.known += len(samples) + len(inquiry.grades())
            for request in samples:
                _look(request, inquiry.known[request.key], seen)
            continue
        found.requests += len(wanted)
        found.known += params.samples - len(wanted) if wanted[0].kind == "answer" else params.samples
        later = (params.max_samples - params.samples) + params.max_samples * params.grade
        found.most_requests += len(wanted) + (later if wanted[0].kind == "answer" else 0)
        sent_bytes += sum(_bytes(request) for request in wanted)
        most += max(worst_case(request, params) for request in wanted) * (len(wanted) + later)
    tally = seen.tally
    per_token = seen.prompt_bytes / tally.prompt_tokens if tally.prompt_tokens else BYTES_PER_TOKEN
    found.prompt_tokens = round(sent_bytes / per_token)
    if not found.requests:
        found.completion_tokens = 0
    elif tally.prompt_tokens:
        found.completion_tokens = round(tally.completion_tokens / tally.counted * found.requests)
    elif params.sampling.max_tokens is not None:
        found.completion_tokens = params.sampling.max_tokens * found.requests
    _price(found, most, params)
    found.seconds = _seconds(found, seen, params)
    return found


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


def _price(found: Estimate, most: int, params: GenerateParams) -> None:
    if params.price is None:
        return
    if found.completion_tokens is not None:
        tokens = {"prompt_tokens": found.prompt_tokens, "completion_tokens": found.completion_tokens}
        found.usd = usd(cost_of(tokens, params) or 0)
    if params.sampling.max_tokens is not None:
        found.most_usd = usd(most)


def _seconds(found: Estimate, seen: _Seen, params: GenerateParams) -> float | None:
    """The longest of what the rate limits and the servers' pace allow."""
    limits, servers = params.limits, max(1, len(params.base_urls))
    bounds = []
    if limits.requests_per_minute is not None:
        bounds.append(60 * found.requests / limits.requests_per_minute / servers)
    if limits.tokens_per_minute is not None:
        bounds.append(60 * found.prompt_tokens / limits.tokens_per_minute / servers)
    if seen.timed:
        bounds.append(found.requests * seen.seconds / seen.timed / limits.concurrency / servers)
    return max(bounds, default=None)


def print_estimate(task: str) -> None:
    """One table. Raises UserError where ingest has not run."""
    questions = Questions.load(task, GenerateParams.load(task))
    paths = [out("ingest", task, name) for name in ("rows", "golden")]
    with Answers(recorded_file(task), journal_file()) as answers:
        found = estimate(lambda: chain(*(iter_rows(path, "ingest") for path in paths)), questions, answers)
    table = Table(box=SIMPLE_HEAD, title=f"{task}: what generate would ask", title_justify="left")
    table.add_column("")
    table.add_column("expected", justify="right")
    table.add_column("at most", justify="right")
    table.add_row("rows and golden inputs", str(found.rows), "")
    table.add_row("answers known (recorded or journaled)", str(found.known), "")
    table.add_row("requests", str(found.requests), str(found.most_requests))
    table.add_row("prompt tokens", str(found.prompt_tokens), "")
    table.add_row("completion tokens", _told(found.completion_tokens), "")
    table.add_row("USD", _told(found.usd), _told(found.most_usd))
    table.add_row("time", "unknown" if found.seconds is None else f"{found.seconds / 60:.1f} min", "")
    Console().print(table)
    if questions.params.price is None:
        print(f"no price in params.yaml; set `{task}.generate.price` to see cost")


def _told(value: float | None) -> str:
    return "unknown" if value is None else str(value)
