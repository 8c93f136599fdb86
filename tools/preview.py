"""`still preview`: what an edited prompt changes, asked about some rows before all of them are."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import jinja2
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from stages.generate.budget import Tally
from stages.generate.collect import ask_missing, count_missing, resolved
from stages.generate.params import GenerateParams
from stages.generate.questions import Inquiry, Questions
from stages.generate.recorded import Answers
from stages.shared.answers import Answer, AnswerSpec
from stages.shared.consensus import decide
from stages.shared.files import Row, iter_rows, replacing
from stages.shared.paths import cache_dir, journal_file, out, recorded_file
from stages.shared.text import input_hash

EVERY_ROW = "all rows"
TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Flip:
    """A row whose answer is another one under the edited prompt; answers are JSON texts."""

    id: str
    input: str
    slices: list[str]
    old: str
    new: str


def spread(rows: list[Row], count: int, spec: AnswerSpec) -> list[Row]:
    """`count` rows, taken in turn from every combination of label and slices, the same ones each time."""
    strata: dict[tuple[str, ...], list[Row]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: input_hash(row["input"])):
        strata[(str(decide(row, spec)["label"]), *row["slices"])].append(row)
    ordered = [stratum for _, stratum in sorted(strata.items())]
    longest = max((len(stratum) for stratum in ordered), default=0)
    in_turns = [stratum[turn] for turn in range(longest) for stratum in ordered if turn < len(stratum)]
    return in_turns[:count]


def flips_of(inquiries: list[Inquiry], spec: AnswerSpec) -> list[Flip]:
    """The rows whose answer differs from the one that they have; label and scored keys count, the rest of an
    answer does not."""
    found = []
    for inquiry in inquiries:
        row, samples = inquiry.row, [inquiry.known[one.key] for one in inquiry.samples()]
        old, new = (decide(one, spec)["answer"] for one in (row, row | {"samples": samples}))
        if _essence(old, spec) != _essence(new, spec):
            texts = (json.dumps(answer, ensure_ascii=False) for answer in (old, new))
            found.append(Flip(row["id"], row["input"], row["slices"], *texts))
    return found


def _essence(answer: Answer | None, spec: AnswerSpec) -> object:
    return None if answer is None else spec.essence(answer)


def by_slice(rows: list[Row], flips: list[Flip]) -> list[tuple[str, int, int]]:
    """Slice, rows and flips; all rows first, then slices in alphabetical order."""
    flipped = {flip.id for flip in flips}
    names = sorted({name for row in rows for name in row["slices"]})
    members = {EVERY_ROW: rows} | {name: [row for row in rows if name in row["slices"]] for name in names}
    return [(name, len(part), sum(row["id"] in flipped for row in part)) for name, part in members.items()]


def preview(task: str, prompt: Path, count: int) -> None:
    """Ask about `count` rows under another prompt, and show what flips, on the terminal and as a page.

    Only the journal changes: should the prompt be taken over, these answers are not paid for again. Raises
    UserError where generate has not run, or no teacher is configured.
    """
    questions = Questions.load(task, GenerateParams.load(task), prompt)
    everything = list(iter_rows(out("generate", task), "generate"))
    rows = spread(everything, count, questions.spec)
    cases = sum(1 for _ in iter_rows(out("generate", task, "golden"), "generate"))

    def chosen() -> list[Row]:
        return rows

    with Answers(recorded_file(task), journal_file()) as answers:
        missing = count_missing(chosen, questions, answers)
        dead: dict[str, str] = {}
        if missing.missing_rows:
            dead = ask_missing(task, chosen, missing, questions, answers).dead
        asked = [one for one in resolved(rows, questions, answers) if one.row["id"] not in dead]
    flips = flips_of(asked, questions.spec)
    facts = {
        "prompt": f"{prompt} ({questions.prompt_hash[:12]})",
        "rows asked about": f"{len(asked)} of {len(everything)}",
        "given up": str(len(dead)),
        **costs(asked, missing.requests, len(everything) + cases, questions),
    }
    slices = by_slice([one.row for one in asked], flips)
    page = cache_dir() / "preview" / f"{task}.html"
    write_page(page, task=task, facts=list(facts.items()), slices=slices, flips=flips)
    print_preview(task, facts, slices, flips)
    print(f"page: {page}")


def costs(inquiries: list[Inquiry], requests: int, rows: int, questions: Questions) -> dict[str, str]:
    """What the preview asked and cost, and what all rows will."""
    tally = Tally()
    for inquiry in inquiries:
        for request in [*inquiry.samples(), *inquiry.grades()]:
            tally.add(inquiry.known[request.key])
    spent = tally.metrics(questions.params)["cost_usd"]
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
    """Write the HTML page; whatever rows and answers hold is escaped."""
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True)
    with replacing(page) as partial:
        partial.write_text(environment.get_template("preview.html").render(**shown), encoding="utf-8")


def print_preview(
    task: str, facts: dict[str, str], slices: list[tuple[str, int, int]], flips: list[Flip]
) -> None:
    """The same on the terminal."""
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
