"""What the student's confidence is worth, as tables and as the geometry of two kinds of diagrams."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from promptstill.core.files import JsonObject
from stages.report.build import SETS, Table
from stages.report.curve import FRAME, Frame, Series, ticks

# Accuracies of a curve are close to each other, so its axis begins at a tenth below the lowest one.
TENTHS = 10
# Coverages in the table of a card.
DECILES = tuple(tenth / TENTHS for tenth in range(1, TENTHS + 1))

# A point of the curve: the numbers of a line of `cascade.csv` by column.
Line = Mapping[str, float]


@dataclass(frozen=True)
class Diagram:
    """Accuracy over a share, in percent of the drawing. Ticks are `(position, text)`.

    `bands` are the intervals as `(x, y, width, height)`. `guide` is a line `(x1, y1, x2, y2)`: the diagonal
    of perfect calibration, or the threshold if there is one. `lines` says whether the points of a series are
    connected, and `about` describes the diagram in words.
    """

    about: str
    series: list[Series]
    bands: list[tuple[float, float, float, float]]
    x_ticks: list[tuple[float, str]]
    y_ticks: list[tuple[float, str]]
    guide: tuple[float, float, float, float] | None
    lines: bool
    frame: Frame = FRAME


def reliability(calibration: JsonObject) -> dict[str, Diagram | None]:
    """The reliability diagram of each set, from the content of `eval.json`; None without a valid answer."""
    return {name: _reliability(calibration[name]["bins"]) for name in SETS}


def _reliability(bins: Sequence[JsonObject]) -> Diagram | None:
    if not bins:
        return None
    points = [(_x(entry["confidence"]), _y(entry["accuracy"])) for entry in bins]
    texts = [f"{entry['count']} at {entry['confidence']:.2f} have {entry['accuracy']:.2f}" for entry in bins]
    return Diagram(
        f"Accuracy by confidence: {', '.join(texts)}",
        [Series("accuracy", points)],
        [
            (round(x - 0.25, 2), _y(entry["high"]), 0.5, round(_y(entry["low"]) - _y(entry["high"]), 2))
            for (x, _), entry in zip(points, bins, strict=True)
        ],
        _x_ticks(),
        _y_ticks(0),
        (_x(0), _y(0), _x(1), _y(1)),
        lines=False,
    )


def curves(table: Table) -> dict[str, list[Line]]:
    """The points of each set, from the content of `cascade.csv`; none without a valid answer."""
    return {
        name: [
            {column: float(value) for column, value in line.items() if column != "set"}
            for line in table
            if line["set"] == name
        ]
        for name in SETS
    }


def cascade_diagrams(lines: dict[str, list[Line]], cascade: JsonObject) -> dict[str, Diagram | None]:
    """Accuracy over coverage of each set; None without a valid answer."""
    chosen = cascade["at_threshold"]
    return {
        name: _cascade(points, None if chosen is None else chosen[name]["coverage"])
        for name, points in lines.items()
    }


def _cascade(lines: Sequence[Line], coverage: float | None) -> Diagram | None:
    if not lines:
        return None
    lowest = min(min(line["accuracy"], line["overall"]) for line in lines)
    floor = max(0, min(TENTHS - 1, math.ceil(lowest * TENTHS) - 1)) / TENTHS
    xs = [_x(line["coverage"]) for line in lines]
    # The interval of a point reaches to the next one; that of the last is as wide as the line.
    ends = [*xs[1:], round(xs[-1] + 0.25, 2)]
    first, last = (f"{line['accuracy']} at {line['coverage']}" for line in (lines[0], lines[-1]))
    return Diagram(
        f"Accuracy by coverage: {first} to {last}",
        [
            Series("student", [(x, _y(line["accuracy"], floor)) for x, line in zip(xs, lines, strict=True)]),
            Series("overall", [(x, _y(line["overall"], floor)) for x, line in zip(xs, lines, strict=True)]),
        ],
        [
            (x, high, round(end - x, 2), round(_y(line["low"], floor) - high, 2))
            for x, end, line in zip(xs, ends, lines, strict=True)
            for high in (_y(line["high"], floor),)
        ],
        _x_ticks(),
        _y_ticks(floor),
        None if coverage is None else (_x(coverage), FRAME.top, _x(coverage), FRAME.bottom),
        lines=True,
    )


def deciles(lines: Sequence[Line]) -> list[Line]:
    """The points with the largest coverages of at most 10 %, 20 %, ..., 100 %, each of them once."""
    chosen = [[line for line in lines if line["coverage"] <= tenth][-1:] for tenth in DECILES]
    return list({line["threshold"]: line for last in chosen for line in last}.values())


def _x(share: float) -> float:
    return round(FRAME.left + (FRAME.right - FRAME.left) * share, 2)


def _y(share: float, floor: float = 0.0) -> float:
    """A share below the floor of the axis is drawn at the floor."""
    height = (max(share, floor) - floor) / (1 - floor)
    return round(FRAME.bottom - (FRAME.bottom - FRAME.top) * height, 2)


def _x_ticks() -> list[tuple[float, str]]:
    return [(_x(share), f"{share:g}") for share in (0, 0.2, 0.4, 0.6, 0.8, 1)]


def _y_ticks(floor: float) -> list[tuple[float, str]]:
    """Even values from 1 down to the floor."""
    height = round(1 - floor, 10)
    shares = [1 - below for below in reversed(ticks(height)) if below <= height]
    return [(_y(share, floor), f"{share:g}") for share in shares]
