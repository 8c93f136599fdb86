"""Pages of commands: values and charts in, an HTML file that loads nothing out. The look is the report's."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from promptstill.core.files import replacing
from stages.report.curve import FRAME, Frame, Series, ticks
from stages.report.render import render_html

TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Axis:
    """Even ticks around some numbers, from `low` to `high`."""

    values: list[float]

    @property
    def low(self) -> float:
        """The first tick."""
        return self.values[0]

    @property
    def high(self) -> float:
        """The last tick."""
        return self.values[-1]


@dataclass(frozen=True)
class Plot:
    """A drawing in percent of its width and height, for the report's macros `axes` and `points`.

    Ticks and the texts `below` them are `(position, text)`, and `labels` are `(x, y, text)`. `ranges` are the
    intervals of points as `(x, y of the upper end, y of the lower end)`, a list for each series. `about`
    describes the drawing.
    """

    title: str
    about: str
    series: list[Series]
    x_ticks: list[tuple[float, str]]
    y_ticks: list[tuple[float, str]]
    ranges: list[list[tuple[float, float, float]]] = field(default_factory=list)
    labels: list[tuple[float, float, str]] = field(default_factory=list)
    below: list[tuple[float, str]] = field(default_factory=list)
    frame: Frame = FRAME


def axis(values: Sequence[float]) -> Axis:
    """An axis that need not begin at 0, so that close numbers lie apart."""
    spread = (max(values) - min(values)) or abs(values[0]) or 1.0
    step = ticks(spread)[1]
    first, last = math.floor(min(values) / step), math.ceil(max(values) / step)
    last = max(last, first + 1)
    return Axis([round(i * step, 10) for i in range(first, last + 1)])


def across(value: float, of: Axis) -> float:
    """Where a number is between the left and the right of the frame, in percent of the drawing."""
    return round(FRAME.left + (FRAME.right - FRAME.left) * (value - of.low) / (of.high - of.low), 2)


def up(value: float, of: Axis) -> float:
    """Where a number is between the bottom and the top of the frame, in percent of the drawing."""
    return round(FRAME.bottom - (FRAME.bottom - FRAME.top) * (value - of.low) / (of.high - of.low), 2)


def scatter(title: str, points: Sequence[tuple[float, float, str]]) -> Plot:
    """Points `(x, y, label)`, with the labels of a place beside it. `title` says what y is by what x is."""
    xs, ys = axis([x for x, _, _ in points]), axis([y for _, y, _ in points])
    places: dict[tuple[float, float], list[str]] = {}
    for x, y, label in points:
        places.setdefault((across(x, xs), up(y, ys)), []).append(label)
    return Plot(
        title,
        f"{title}: {', '.join(f'{label} has {y:g} at {x:g}' for x, y, label in points)}",
        [Series("", list(places))],
        [(across(x, xs), f"{x:,g}") for x in xs.values],
        [(up(y, ys), f"{y:g}") for y in ys.values],
        labels=[(*place, ", ".join(names)) for place, names in places.items()],
    )


def write_page(page: Path, template: str, **shown: Any) -> None:  # noqa: ANN401
    """Write a page from one of the templates here, which may use those of the report. Values are escaped, and
    a missing value is an error."""
    with replacing(page) as partial:
        partial.write_text(render_html(template, TEMPLATES, **shown), encoding="utf-8")
