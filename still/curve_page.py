"""The points of a learning curve: tables and what the last doubling brought on the terminal, drawings on a
page."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from promptstill.core.paths import cache_dir
from stages.eval.intervals import difference, interval
from stages.report.curve import FRAME, Series
from still.page import Plot, axis, up, write_page

# How far the points of one contestant are from those of the next, in percent of the drawing.
BESIDE = 0.8
Who = Literal["student", "ngrams"]
ABOUT = "Nothing may be chosen by these scores: test is for scores."
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
    """A mean over test rows with its interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.low:.3f} - {self.high:.3f})"


@dataclass(frozen=True)
class Point:
    """A share of the train rows, and what those that learnt it are worth: for each measure and contestant,
    how near each test row's answer is to the truth, from 0 to 1."""

    rows: int
    components: int
    values: Mapping[str, Mapping[Who, list[float]]]


@dataclass(frozen=True)
class Curve:
    """One measure by rows: the lines of its table, what the last doubling brought, and its drawing."""

    measure: str
    lines: list[list[str]]
    notes: list[str]
    drawn: Plot


def show(task: str, points: Sequence[Point], components: Sequence[str], price: Price, level: float) -> None:
    """Print a table for each measure and what doubling brought, and write the page. `components` are those
    of the test rows."""
    values = points[0].values
    cost = ["USD"] if price.usd is not None else []
    columns = ["rows", "components", "tokens", *cost, *next(iter(values.values()))]
    console = Console()
    curves = [curve_of(measure, points, components, price, level) for measure in values]
    for curve in curves:
        table = Table(title=curve.measure, title_justify="left", box=SIMPLE_HEAD, padding=0)
        for column in columns:
            table.add_column(column, justify="right")
        for line in curve.lines:
            table.add_row(*line)
        console.print(table)
        for note in curve.notes:
            console.print(note, highlight=False, soft_wrap=True)
    about = ABOUT if price.counted else f"{ABOUT} {COUNTED}"
    page = cache_dir() / "curve" / f"{task}.html"
    unit = "tokens of the teacher" if price.usd is None else "USD for the teacher"
    shown = {"about": about, "columns": columns, "curves": curves, "unit": unit}
    write_page(page, "curve.html", task=task, level=f"{100 * level:g}\u00a0%", cases=len(components), **shown)
    console.print(about, highlight=False, soft_wrap=True)
    console.print(f"page: {page}", highlight=False, soft_wrap=True)


def curve_of(
    measure: str, points: Sequence[Point], components: Sequence[str], price: Price, level: float
) -> Curve:
    """The scores in one measure, with their intervals."""
    by_point = [point.values[measure] for point in points]
    scores: dict[Who, list[Score]] = {
        who: [Score(fmean(values[who]), *interval(values[who], components, level)) for values in by_point]
        for who in by_point[0]
    }
    costs = [_cost(price, point.rows) for point in points]
    lines = [
        [f"{point.rows:,}", f"{point.components:,}", *cost, *map(str, scored)]
        for point, cost, *scored in zip(points, costs, *scores.values(), strict=True)
    ]
    notes = [doubling(points, measure, who, components, level) for who in scores] if len(points) > 1 else []
    return Curve(measure, lines, notes, plot(measure, points, scores, [cost[-1] for cost in costs]))


def doubling(points: Sequence[Point], measure: str, who: Who, components: Sequence[str], level: float) -> str:
    """What the last step brought: the difference on the same test rows, with its interval."""
    before, after = points[-2:]
    gain, low, high = difference(after.values[measure][who], before.values[measure][who], components, level)
    return f"{who} from {before.rows:,} to {after.rows:,} rows: {gain:+.3f} ({low:+.3f} to {high:+.3f})"


def _cost(price: Price, rows: int) -> list[str]:
    """The cells of a share's tokens and, if it is known, cost in USD."""
    tokens = f"{price.tokens * rows:,.0f}"
    return [tokens] if price.usd is None else [tokens, f"{price.usd * rows:,.2f}"]


def plot(
    measure: str, points: Sequence[Point], scores: Mapping[Who, Sequence[Score]], costs: Sequence[str]
) -> Plot:
    """A measure over rows, where every doubling is equally wide."""
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
        f"{measure} by rows",
        "; ".join(f"{who}: {', '.join(map(str, scored))}" for who, scored in scores.items()),
        [Series(who, [(x, middle) for x, middle, _, _ in places]) for who, places in drawn.items()],
        [(x, f"{point.rows:,}") for x, point in zip(xs, points, strict=True)],
        [(up(y, ys), f"{y:g}") for y in ys.values],
        ranges=[[(x, high, low) for x, _, high, low in places] for places in drawn.values()],
        below=list(zip(xs, costs, strict=True)),
    )
