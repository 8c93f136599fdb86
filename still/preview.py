"""`still preview`: what an edited prompt changes, shown on a sample of the rows."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from promptstill.answers.consensus import decide, parse_reply
from promptstill.answers.schema.compare import same
from promptstill.answers.spec import AnswerSpec
from promptstill.core.files import iter_rows, read_rows
from promptstill.core.paths import cache_dir, out
from promptstill.rows.identity import input_hash
from promptstill.rows.row import Input, Sample, SampledRow
from promptstill.teacher.ask import ask_missing
from promptstill.teacher.budget import Tally
from promptstill.teacher.lookup import count_missing, resolved
from promptstill.teacher.questions import Inquiry, Questions
from promptstill.teacher.session import open_session
from stages.generate.params import GenerateParams
from stages.generate.samples import sample_of
from stages.report.passages import Shown, shown
from still.estimate import Estimate, estimate
from still.page import write_page
from still.stale import print_stale

EVERY_ROW = "all rows"
# Slice, rows, flips, and flips that chance alone would give; None if that is unknown.
Line = tuple[str, int, int, int | None]


@dataclass(frozen=True)
class Flip:
    """A row whose answer changes under the edited prompt; answers are JSON texts."""

    id: str
    input: Shown
    slices: list[str]
    old: str
    new: str


def spread(rows: list[SampledRow], count: int, spec: AnswerSpec) -> list[SampledRow]:
    """`count` rows, taken in turn from every combination of label and slices, and the same rows each time."""
    strata: dict[tuple[str, ...], list[SampledRow]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: input_hash(row["input"])):
        strata[(str(decide(row["samples"], spec)["label"]), *row["slices"])].append(row)
    ordered = [stratum for _, stratum in sorted(strata.items())]
    longest = max((len(stratum) for stratum in ordered), default=0)
    in_turns = [stratum[turn] for turn in range(longest) for stratum in ordered if turn < len(stratum)]
    return in_turns[:count]


def flips_of(inquiries: list[Inquiry[SampledRow]], spec: AnswerSpec) -> list[Flip]:
    """The rows whose new answer is not the same as their old one."""
    flips = []
    for inquiry in inquiries:
        row = inquiry.row
        old = decide(row["samples"], spec)["answer"]
        new = decide([sample_of(inquiry, request) for request in inquiry.samples()], spec)["answer"]
        if not same(old, new, spec) and (old, new) != (None, None):
            texts = (json.dumps(answer, ensure_ascii=False) for answer in (old, new))
            named = shown(row["input"], {"now": old, "with the edited prompt": new}, spec)
            flips.append(Flip(row["id"], named, row["slices"], *texts))
    return flips


def unsteady(rows: list[SampledRow], spec: AnswerSpec) -> set[str] | None:
    """Ids of the rows whose first two samples differ; None if no row has two.

    The samples are independent answers to the same prompt, so about as many rows would flip if the old prompt
    were asked again. Further samples are left out, because they are asked for where the first ones differ.
    """
    twice = [row for row in rows if len(row["samples"]) > 1]
    if not twice:
        return None

    def differ(first: Sample, second: Sample) -> bool:
        left, right = (parse_reply(s["response"], s["finish_reason"], spec).answer for s in (first, second))
        return (left, right) != (None, None) and not same(left, right, spec)

    return {row["id"] for row in twice if differ(*row["samples"][:2])}


def by_slice(rows: list[SampledRow], flips: list[Flip], chance: set[str] | None) -> list[Line]:
    """Slice, rows, flips, and flips that chance alone would give; all rows first, then slices in alphabetical
    order."""
    flipped = {flip.id for flip in flips}
    names = sorted({name for row in rows for name in row["slices"]})
    members = {EVERY_ROW: rows} | {name: [row for row in rows if name in row["slices"]] for name in names}
    return [
        (
            name,
            len(part),
            sum(row["id"] in flipped for row in part),
            None if chance is None else sum(row["id"] in chance for row in part),
        )
        for name, part in members.items()
    ]


def preview(task: str, prompt: Path, count: int) -> None:
    """Ask about `count` rows under another prompt, and show what flips, on the terminal and as a page.

    Only the journal changes: if the prompt is adopted, these answers are not paid for again. Raises UserError
    if generate has not run, or if no teacher is configured.
    """
    with open_session(task, GenerateParams.load(task), prompt) as session:
        questions = session.questions
        everything = read_rows(out("generate", task), SampledRow, "generate")
        rows = spread(everything, count, questions.spec)
        missing = count_missing(session, lambda: rows)
        dead: dict[str, str] = {}
        if missing.missing_rows:
            dead = ask_missing(session, lambda: rows, missing).dead
        ingested = [out("ingest", task, name) for name in ("rows", "golden")]
        rebuild = estimate(session, lambda: chain(*(iter_rows(path, Input, "ingest") for path in ingested)))
        asked = [inquiry for inquiry in resolved(session, rows) if inquiry.row["id"] not in dead]
    flips = flips_of(asked, questions.spec)
    answered = [inquiry.row for inquiry in asked]
    chance = unsteady(answered, questions.spec)
    facts = {
        "prompt": f"{prompt} ({questions.prompt_hash[:12]})",
        "rows asked about": f"{len(asked)} of {len(everything)}",
        "given up": str(len(dead)),
        **costs(asked, missing.requests, rebuild, questions),
        "flips": noise(len(flips), chance),
    }
    slices = by_slice(answered, flips, chance)
    page = cache_dir() / "preview" / f"{task}.html"
    write_page(page, "preview.html", task=task, facts=list(facts.items()), slices=slices, flips=flips)
    print_preview(task, facts, slices, flips)
    print(f"page: {page}")
    print_stale(task, f"run `dvc repro generate@{task}` and preview again")


def costs(
    inquiries: list[Inquiry[SampledRow]], requests: int, rebuild: Estimate, questions: Questions
) -> dict[str, str]:
    """What the preview asked and cost, and what a rebuild would still ask and cost."""
    tally = Tally()
    for inquiry in inquiries:
        for request in [*inquiry.samples(), *inquiry.grades()]:
            tally.add(inquiry.known[request.key])
    spent = tally.metrics(questions.settings)["cost_usd"]
    unknown = "unknown: no price in params.yaml, or no token counts"
    return {
        "answers used": f"{tally.answers}, of them asked now about {requests}",
        "these answers cost": unknown if spent is None else f"{spent} USD",
        "a rebuild asks": f"{rebuild.requests} more requests, at most {rebuild.most_requests}",
        "a rebuild costs": unknown if rebuild.usd is None else f"about {rebuild.usd:.6f} USD more",
    }


def noise(flips: int, chance: set[str] | None) -> str:
    """The number of flips beside those that the old prompt would give if it were asked again."""
    if chance is None:
        return f"{flips}; how many are chance is unknown, because the rows have one sample each"
    return f"{flips}; about {len(chance)} by chance: the old prompt's own first two samples differ there"


def print_preview(task: str, facts: dict[str, str], slices: list[Line], flips: list[Flip]) -> None:
    """Print the same on the terminal."""
    console = Console()
    console.print(f"[bold]{task}[/]")
    for name, value in facts.items():
        console.print(f"  {name}: {value}", highlight=False, markup=False)
    table = Table("slice", "rows", "flipped", "by chance", box=SIMPLE_HEAD)
    for name, count, flipped, chance in slices:
        table.add_row(name, str(count), str(flipped), "unknown" if chance is None else str(chance))
    console.print(table)
    for flip in flips:
        console.print(f"{flip.id}: {flip.old} -> {flip.new}", highlight=False, markup=False)
