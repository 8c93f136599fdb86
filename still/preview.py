"""`still preview`: what an edited prompt changes, shown on a sample of the rows."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import jinja2
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from promptstill.answers.compare import same
from promptstill.answers.consensus import decide
from promptstill.answers.spec import AnswerSpec
from promptstill.core.files import iter_rows, read_rows, replacing
from promptstill.core.paths import cache_dir, out
from promptstill.rows.identity import input_hash
from promptstill.rows.row import SampledCase, SampledRow
from promptstill.teacher.ask import ask_missing
from promptstill.teacher.budget import Tally
from promptstill.teacher.lookup import count_missing, resolved
from promptstill.teacher.questions import Inquiry, Questions
from promptstill.teacher.session import open_session
from stages.generate.params import GenerateParams
from stages.generate.samples import sample_of

EVERY_ROW = "all rows"
TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Flip:
    """A row whose answer changes under the edited prompt; answers are JSON texts."""

    id: str
    input: str
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
            flips.append(Flip(row["id"], row["input"], row["slices"], *texts))
    return flips


def by_slice(rows: list[SampledRow], flips: list[Flip]) -> list[tuple[str, int, int]]:
    """Slice, rows and flips; all rows first, then slices in alphabetical order."""
    flipped = {flip.id for flip in flips}
    names = sorted({name for row in rows for name in row["slices"]})
    members = {EVERY_ROW: rows} | {name: [row for row in rows if name in row["slices"]] for name in names}
    return [(name, len(part), sum(row["id"] in flipped for row in part)) for name, part in members.items()]


def preview(task: str, prompt: Path, count: int) -> None:
    """Ask about `count` rows under another prompt, and show what flips, on the terminal and as a page.

    Only the journal changes: if the prompt is adopted, these answers are not paid for again. Raises UserError
    if generate has not run, or if no teacher is configured.
    """
    with open_session(task, GenerateParams.load(task), prompt) as session:
        questions = session.questions
        everything = read_rows(out("generate", task), SampledRow, "generate")
        cases = sum(1 for _ in iter_rows(out("generate", task, "golden"), SampledCase, "generate"))
        rows = spread(everything, count, questions.spec)
        missing = count_missing(session, lambda: rows)
        dead: dict[str, str] = {}
        if missing.missing_rows:
            dead = ask_missing(session, lambda: rows, missing).dead
        asked = [inquiry for inquiry in resolved(session, rows) if inquiry.row["id"] not in dead]
    flips = flips_of(asked, questions.spec)
    facts = {
        "prompt": f"{prompt} ({questions.prompt_hash[:12]})",
        "rows asked about": f"{len(asked)} of {len(everything)}",
        "given up": str(len(dead)),
        **costs(asked, missing.requests, len(everything) + cases, questions),
    }
    slices = by_slice([inquiry.row for inquiry in asked], flips)
    page = cache_dir() / "preview" / f"{task}.html"
    write_page(page, task=task, facts=list(facts.items()), slices=slices, flips=flips)
    print_preview(task, facts, slices, flips)
    print(f"page: {page}")


def costs(
    inquiries: list[Inquiry[SampledRow]], requests: int, rows: int, questions: Questions
) -> dict[str, str]:
    """What the preview asked and cost, and what all rows would ask and cost."""
    tally = Tally()
    for inquiry in inquiries:
        for request in [*inquiry.samples(), *inquiry.grades()]:
            tally.add(inquiry.known[request.key])
    spent = tally.metrics(questions.settings)["cost_usd"]
    each = None if spent is None or not inquiries else spent / len(inquiries)
    rest = rows - len(inquiries)
    unknown = "unknown: no price in params.yaml, or no token counts"
    return {
        "answers used": f"{tally.answers}, of them asked now about {requests}",
        "these answers cost": unknown if spent is None else f"{spent} USD",
        "a rebuild asks": f"about {round(rest * tally.answers / max(1, len(inquiries)))} more requests",
        "a rebuild costs": unknown if each is None else f"about {each * rest:.6f} USD more",
    }


def write_page(page: Path, **shown: object) -> None:
    """Write the HTML page; the content of rows and answers is escaped."""
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True)
    with replacing(page) as partial:
        partial.write_text(environment.get_template("preview.html").render(**shown), encoding="utf-8")


def print_preview(
    task: str, facts: dict[str, str], slices: list[tuple[str, int, int]], flips: list[Flip]
) -> None:
    """Print the same on the terminal."""
    console = Console()
    console.print(f"[bold]{task}[/]")
    for name, value in facts.items():
        console.print(f"  {name}: {value}", highlight=False, markup=False)
    table = Table("slice", "rows", "flipped", box=SIMPLE_HEAD)
    for name, count, flipped in slices:
        table.add_row(name, str(count), str(flipped))
    console.print(table)
    for flip in flips:
        console.print(f"{flip.id}: {flip.old} -> {flip.new}", highlight=False, markup=False)
