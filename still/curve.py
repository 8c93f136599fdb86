"""`still curve`: how much more rows bring. Students and n-grams of nested shares of the train rows, on test.

Nothing is chosen by these scores. A share that a student has answered for is kept, so that an interrupted
curve goes on.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from promptstill.answers.measures import ACCURACY, measured, measures
from promptstill.answers.schema.script import Script
from promptstill.answers.spec import AnswerSpec
from promptstill.console.errors import UserError
from promptstill.console.stage_main import ignore_deprecated_calls
from promptstill.core.files import canonical_hash, file_hash, read_json, read_rows, read_text, write_json
from promptstill.core.paths import cache_dir, certified_file, details_file, out, prompt_file
from promptstill.rows.row import Answer, SplitRow
from stages.eval.intervals import difference, interval
from stages.eval.params import EvalParams
from stages.report.curve import FRAME, Series
from stages.split.params import SplitParams
from stages.train.guards import refuse_free_values, refuse_uncertified
from stages.train.params import TrainParams
from still.page import Plot, axis, up, write_page
from still.shares import shares_of

# How far the points of one contestant are from those of the next, in percent of the drawing.
BESIDE = 0.8
Who = Literal["student", "ngrams"]
ABOUT = "Accuracy is that of the label on test. Nothing may be chosen by it: test is for scores."
COUNTED = "Tokens are counted with the tokenizer of the base, because those of the teacher are not known."


@dataclass(frozen=True)
class Price:
    """What the teacher read and wrote for a row of the dataset, and its cost in USD, or None if that is not
    known. `counted` says whether the tokens are the teacher's own count."""

    tokens: float
    usd: float | None
    counted: bool


@dataclass(frozen=True)
class Score:
    """A share of right answers with its interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.low:.3f} - {self.high:.3f})"


@dataclass(frozen=True)
class Point:
    """A share of the train rows, and whether each test row was given its label by those that learnt it."""

    rows: int
    components: int
    right: Mapping[Who, list[bool]]


def curve(task: str, baseline_only: bool) -> None:
    """Print the scores of every share, draw them, and say what the last doubling of the rows brought.

    Raises UserError if split has not run, if its files are not those that it certified, if test has no rows,
    or if an encoder would have to write a value.
    """
    params, spec = TrainParams.load(task), AnswerSpec.load(task)
    level = EvalParams.load(task).confidence_level
    files = {name: out("split", task, name) for name in ("train", "validation", "test")}
    rows = {name: read_rows(path, SplitRow, "split") for name, path in files.items()}
    learnt = {name: file_hash(files[name]) for name in ("train", "validation")}
    refuse_uncertified(learnt, read_json(certified_file(task)), files)

    if not rows["test"]:
        raise UserError(f"{files['test']}: no rows to answer; raise {SplitParams.place(task)}.test")
    if params.student == "encoder" and not baseline_only:
        refuse_free_values(Script(spec), TrainParams.place(task))

    # Imported here, because they load torch and scikit-learn.
    from stages.eval.baselines import fitted_ngrams, ngrams_answers

    texts, accuracy = [row["input"] for row in rows["test"]], measures(spec)[ACCURACY]
    points = []
    for share in shares_of(rows["train"]):
        print(f"{task}: a share of {len(share)} rows", file=sys.stderr, flush=True)
        answers: dict[Who, Sequence[Answer | None]] = {}
        if not baseline_only:
            answers["student"] = student_answers(task, share, rows["validation"], texts, params, spec)
        answers["ngrams"] = ngrams_answers(fitted_ngrams(share, spec), share, texts, spec)
        right: dict[Who, list[bool]] = {
            who: [
                measured(answer, row["answer"], accuracy) == 1
                for answer, row in zip(given, rows["test"], strict=True)
            ]
            for who, given in answers.items()
        }
        points.append(Point(len(share), len({row["component"] for row in share}), right))
    price = price_of(task, rows["train"], params)
    show(task, points, [row["component"] for row in rows["test"]], price, level)


def student_answers(
    task: str,
    rows: Sequence[SplitRow],
    validation: Sequence[SplitRow],
    texts: Sequence[str],
    params: TrainParams,
    spec: AnswerSpec,
) -> list[Answer | None]:
    """What a student that learnt `rows` answers; trained now, or kept from an earlier curve."""
    import scipy
    import sklearn

    from promptstill.core.resolve import model_hash
    from stages.train.checkpoint import Checkpoint, training_key
    from stages.train.fit import fit

    parts = [canonical_hash(part) for part in (rows, validation, texts)]
    # Training itself uses neither; the n-grams and the weights of both experts do.
    libraries = [scipy.__version__, sklearn.__version__]
    key = training_key(
        [model_hash(params.base), spec.hash, *parts, params.model_dump(mode="json"), libraries]
    )
    folder = cache_dir() / "curve" / task
    kept = folder / f"{key}.json"
    if not kept.exists():
        ignore_deprecated_calls()
        checkpoint = Checkpoint(folder / "checkpoint.safetensors", key)
        student = fit({"train": rows, "validation": validation}, spec, params, checkpoint).student
        given = [answer.answer for answer in student.answer(texts)]
        write_json(kept, {"rows": len(rows), "answers": given})
        checkpoint.remove()
    answers: list[Answer | None] = read_json(kept)["answers"]
    return answers


def price_of(task: str, rows: Sequence[SplitRow], params: TrainParams) -> Price:
    """What generate spent, divided by the rows that split kept: filtered rows and golden inputs cost too.

    Where the teacher's tokens are not known, as of recorded answers, they are counted with the tokenizer of
    the base.
    """
    spent, kept = read_json(details_file("generate", task)), read_json(details_file("split", task))["kept"]
    if spent["prompt_tokens"] is not None:
        tokens = spent["prompt_tokens"] + spent["completion_tokens"]
        return Price(tokens / kept, None if spent["cost_usd"] is None else spent["cost_usd"] / kept, True)
    from stages.eval.contestants import prompt_tokens_saved, token_counter

    count = token_counter(params.base, params.student)
    asked = fmean(count(row["input"]) for row in rows) + prompt_tokens_saved(
        read_text(prompt_file(task)), count
    )
    replied = fmean(count(sample["response"]) for row in rows for sample in row["samples"])
    return Price((asked + replied) * spent["requests"] / kept, None, False)


def show(task: str, points: Sequence[Point], components: Sequence[str], price: Price, level: float) -> None:
    """Print the table and what doubling brought, and write the page. `components` are those of test."""
    contestants = list(points[0].right)
    columns = [
        "rows",
        "components",
        "tokens",
        *(["USD"] if price.usd is not None else []),
        *contestants,
    ]
    scores: dict[Who, list[Score]] = {
        who: [
            Score(fmean(point.right[who]), *interval(point.right[who], components, level)) for point in points
        ]
        for who in contestants
    }
    lines = [
        [f"{point.rows:,}", f"{point.components:,}", *_cost(price, point.rows), *map(str, scored)]
        for point, *scored in zip(points, *scores.values(), strict=True)
    ]
    table = Table(box=SIMPLE_HEAD, padding=0)
    for column in columns:
        table.add_column(column, justify="right")
    for line in lines:
        table.add_row(*line)
    notes = [doubling(points, who, components, level) for who in contestants] if len(points) > 1 else []
    notes.append(ABOUT if price.counted else f"{ABOUT} {COUNTED}")
    console = Console()
    console.print(table)
    for note in notes:
        console.print(note, highlight=False, soft_wrap=True)
    page = cache_dir() / "curve" / f"{task}.html"
    drawn = plot(points, scores, [_cost(price, point.rows)[-1] for point in points])
    unit = "tokens of the teacher" if price.usd is None else "USD for the teacher"
    shown = {"columns": columns, "lines": lines, "notes": notes, "drawn": drawn, "unit": unit}
    write_page(page, "curve.html", task=task, level=f"{100 * level:g}\u00a0%", cases=len(components), **shown)
    console.print(f"page: {page}", highlight=False, soft_wrap=True)


def doubling(points: Sequence[Point], who: Who, components: Sequence[str], level: float) -> str:
    """What the last step brought: the difference on the same test rows, with its interval."""
    before, after = points[-2:]
    gain, low, high = difference(after.right[who], before.right[who], components, level)
    return f"{who} from {before.rows:,} to {after.rows:,} rows: {gain:+.3f} ({low:+.3f} to {high:+.3f})"


def _cost(price: Price, rows: int) -> list[str]:
    """The cells of a share's tokens and, if it is known, cost in USD."""
    tokens = f"{price.tokens * rows:,.0f}"
    return [tokens] if price.usd is None else [tokens, f"{price.usd * rows:,.2f}"]


def plot(points: Sequence[Point], scores: Mapping[Who, Sequence[Score]], costs: Sequence[str]) -> Plot:
    """Accuracy over rows, where every doubling is equally wide."""
    ys = axis([bound for scored in scores.values() for score in scored for bound in (score.low, score.high)])
    first, last = (math.log(points[i].rows) for i in (0, -1))
    wide = (FRAME.right - FRAME.left) / ((last - first) or 1.0)
    xs = [round(FRAME.left + wide * (math.log(point.rows) - first), 2) for point in points]
    drawn = {
        # Side by side, so that no interval hides another.
        who: [
            (x + BESIDE * number, up(score.value, ys), up(score.high, ys), up(score.low, ys))
            for x, score in zip(xs, scored, strict=True)
        ]
        for number, (who, scored) in enumerate(scores.items())
    }
    return Plot(
        "Accuracy by rows",
        "; ".join(f"{who}: {', '.join(map(str, scored))}" for who, scored in scores.items()),
        [Series(who, [(x, middle) for x, middle, _, _ in places]) for who, places in drawn.items()],
        [(x, f"{point.rows:,}") for x, point in zip(xs, points, strict=True)],
        [(up(y, ys), f"{y:g}") for y in ys.values],
        ranges=[[(x, high, low) for x, _, high, low in places] for places in drawn.values()],
        below=list(zip(xs, costs, strict=True)),
    )
